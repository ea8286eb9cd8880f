"""Given events, then the documents of timeline, numbers, agenda and pulse."""

from datetime import UTC, date, datetime
from typing import Any

from services.projections.fold import fold_all
from shared.events import customer as says
from shared.events import notifications as notes
from shared.events.identity import AliasAdded, Linked, Move, NumberAssigned
from tests.support.events import History, an_id, customer_registered

ANN, BEN = sorted((an_id("ann"), an_id("ben")))
REMINDER = an_id("reminder")
PLANNED = notes.ReminderPlanned(
    reminder_id=REMINDER,
    kind="birthday",
    due_at=datetime(2026, 3, 1, 8, tzinfo=UTC),
    local_date=date(2026, 3, 1),
    zone="Europe/Berlin",
    assignee="u7",
    note="cake",
)


def documents(view: str, history: History) -> dict[str, Any]:
    return fold_all(history.events)[view]


def test_the_timeline_tells_each_event_without_its_sealed_fields() -> None:
    history = History().tell(ANN, customer_registered("Secretname", external_id="7", tags=("vip",)))
    (document,) = documents("timeline", history).values()
    assert document["_id"] == "customer:1"
    assert document["customers"] == [ANN]
    assert document["actor"] == {"id": "u1", "kind": "user"}
    assert document["summary"] == {"kind": "person", "source": "crm", "external_id": "7", "tags": ["vip"]}
    assert "Secretname" not in repr(document)


def test_a_link_stands_in_the_timeline_of_all_it_moves() -> None:
    move = Move(customer=an_id("carl"), identity=ANN)
    history = History().tell(ANN, Linked(a=ANN, b=BEN, evidence=("mail",), decided_by="rule", moves=(move,)))
    document = documents("timeline", history)["identity:1"]
    assert document["customers"] == sorted([ANN, BEN, an_id("carl")])
    assert document["summary"]["evidence"] == ["mail"]


def test_times_inside_a_summary_are_text() -> None:
    at = datetime(2026, 3, 1, 8, tzinfo=UTC)
    history = History().tell(ANN, says.OrderDelivered(order_id=an_id("o"), delivered_at=at))
    assert documents("timeline", history)["customer:1"]["summary"]["delivered_at"] == "2026-03-01T08:00:00.000000Z"


def test_every_number_resolves_to_its_first_holder() -> None:
    history = History().tell(
        ANN, customer_registered(external_id="7"), NumberAssigned(number="K-1", rule="r", serial=1)
    )
    history.tell(BEN, AliasAdded(alias="K-1", kind="foreign"), AliasAdded(alias="old", kind="former"))
    numbers = documents("numbers", history)
    assert {key: (number["customer"], number["kind"]) for key, number in numbers.items()} == {
        "source:crm:7": (ANN, "source"),
        "K-1": (ANN, "number"),
        "old": (BEN, "former"),
    }


def test_the_agenda_follows_a_reminder() -> None:
    history = History().tell(ANN, PLANNED)
    document = documents("agenda", history)[REMINDER]
    assert (document["state"], document["local_date"], document["assignee"]) == ("planned", "2026-03-01", "u7")
    assert document["due_at"] == "2026-03-01T08:00:00.000000Z"
    assert "cake" not in repr(document)
    assert len(document["sealed"]) == 1
    history.tell(
        ANN,
        notes.ReminderFired(reminder_id=REMINDER, kind="birthday"),
        notes.MessageFailed(
            message_id=an_id("m"), reminder_id=REMINDER, channel="spool", error="full", attempt=1, final=False
        ),
        notes.MessageSent(message_id=an_id("m"), reminder_id=REMINDER, channel="spool"),
    )
    document = documents("agenda", history)[REMINDER]
    assert (document["state"], document["message"]["state"]) == ("fired", "sent")


def test_a_cancelled_reminder_stays_in_the_agenda_as_cancelled() -> None:
    history = History().tell(ANN, PLANNED, notes.ReminderCancelled(reminder_id=REMINDER, reason="archived"))
    assert documents("agenda", history)[REMINDER]["state"] == "cancelled"


def test_the_pulse_counts_by_day_log_and_type() -> None:
    history = History().tell(ANN, customer_registered(), says.Tagged(added=("a",)), says.Tagged(added=("b",)))
    assert documents("pulse", history)["2026-01-01/customer"]["types"] == {
        "customer.registered": 1,
        "customer.tagged": 2,
    }
