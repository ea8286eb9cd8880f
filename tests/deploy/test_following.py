"""What a row cannot carry of a person is taken over by requests: orders, tickets, links, reminders, rectifications."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from deploy import following, subject
from deploy.replay import Life
from deploy.subject import Held
from services.customer.domain.customer import contact_id_of
from services.customer.intake.importing import ROW_BYTES
from shared.events import customer as says
from shared.events import notifications as notes
from shared.events.envelope import ERASED, Contract, Recorded
from shared.events.identity import Linked, Separated
from tests.deploy.other_system import other_system
from tests.support.events import History, an_id, customer_registered

ADA, AGAIN, BOB = sorted(an_id(name) for name in ("ada", "again", "bob"))
ORDER, TICKET, CALL, SPOUSE = (an_id(name) for name in ("order", "ticket", "call", "spouse"))
PLACED = says.OrderPlaced(order_id=ORDER, reference="o-1", currency="EUR", total="30.00")
PAID = says.OrderPaid(order_id=ORDER, amount="10.00", method="card")
OPENED = says.TicketOpened(ticket_id=TICKET, topic="tea", summary="Cold tea")
CALLED = says.InteractionRecorded(interaction_id=CALL, kind="call", direction="in", summary="She called")
RELATED = says.RelationshipAdded(relationship_id=SPOUSE, other=BOB, role="spouse")


def registered(external_id: str, source: str = "crm") -> says.CustomerRegistered:
    return customer_registered("Ada Example", external_id=external_id, source=source)


def ada(*more: Contract) -> History:
    return History().tell(ADA, registered("a-1")).tell(ADA, *more)


def told(history: History, others: dict[str, tuple[str, str]] | None = None) -> list[dict[str, Any]]:
    """The requests that follow the rows of Ada."""
    return following.take_along(history.events, (ADA, AGAIN), others or {})[1]


def packed(events: list[Recorded], *members: str) -> bytes:
    life = Life(members[0], "C1", members, (), tuple(events), None, members)
    return subject.pack(Held(life, members, ()).files("w-1", datetime(2026, 11, 22, tzinfo=UTC)))


async def test_orders_tickets_and_calls_are_the_same_in_the_other_system(tmp_path: Path) -> None:
    history = ada()
    history.tell(ADA, PLACED, PAID, says.OrderDelivered(order_id=ORDER, carrier="dhl"), stream=f"order-{ORDER}")
    history.tell(ADA, OPENED, says.TicketAnswered(ticket_id=TICKET, text="Sorry"), stream=f"ticket-{TICKET}")
    history.tell(ADA, says.TicketResolved(ticket_id=TICKET, resolution="refund"), stream=f"ticket-{TICKET}")
    history.tell(ADA, CALLED, stream=f"interaction-{CALL}")
    history.tell(ADA, says.CustomerArchived(reason="moved"))

    async with other_system(tmp_path) as other:
        assert await other.take(packed(history.events, ADA)) == []
        head = other.log.head()
        assert await other.take(packed(history.events, ADA)) == []
        assert other.log.head() == head
        streams = await other.streams()

    assert {name.partition("-")[0]: [_without_ids(event) for event in of] for name, of in streams.items()} == {
        name: [_without_ids(event) for event in history.events if event.type.startswith(names)]
        for name, names in {
            "customer": ("customer.",),
            "order": ("order.",),
            "ticket": ("ticket.",),
            "interaction": ("interaction.",),
        }.items()
    }


async def test_a_rectification_stays_one_and_what_came_after_it_stays_after_it(tmp_path: Path) -> None:
    history = ada(
        says.ContactPointAdded(contact_id=_contact(1), kind="email", value="ada@example.org"),
        says.NameCorrected(name=says.Name(full="Ada Right"), reason="asked"),
        says.ContactPointVerified(contact_id=_contact(1), method="mail"),
        says.BirthDateSet(birth_date=datetime(1980, 2, 29, tzinfo=UTC).date()),
    )
    history.events[2] = replace(history.events[2], purpose="rectification")

    async with other_system(tmp_path) as other:
        assert await other.take(packed(history.events, ADA)) == []
        (stream,) = (await other.streams()).values()

    assert [(event.type, event.purpose) for event in stream] == [(e.type, e.purpose) for e in history.events]
    assert [event.occurred_at for event in stream] == [event.occurred_at for event in history.events]


async def test_a_history_that_no_row_holds_is_taken_over_whole(tmp_path: Path) -> None:
    notes_of = [says.ExtensionFieldSet(field=f"f{n % 7}", value=f"{n} " + "x" * 9_000) for n in range(12)]
    history = ada(*notes_of)

    rows, after = following.take_along(history.events, (ADA,), {})
    async with other_system(tmp_path) as other:
        assert await other.take(packed(history.events, ADA)) == []
        (stream,) = (await other.streams()).values()

    assert len(subject._line(rows["crm"][0])) <= ROW_BYTES
    assert len(after) == 12 - len(rows["crm"][0]["since"]) > 0
    assert [event.data for event in stream][1:] == notes_of


async def test_somebody_who_changed_the_customer_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    history = ada(says.NameCorrected(name=says.Name(full="Ada Right")))
    history.events[1] = replace(history.events[1], purpose="rectification")
    export = packed(history.events, ADA)

    async with other_system(tmp_path) as other:
        rows_only = subject.pack(
            {name: content for name, content in _files(export).items() if name != subject.FOLLOWING}
        )
        await other.take(rows_only)
        (name,) = await other.streams()
        customer = name.removeprefix("customer-")
        await other.client.http.post(
            other.client.url("customer", f"/customers/{customer}/tag"),
            json={"add": ["vip"]},
            headers=other.client.headers(),
        )
        (left,) = await other.take(export)

    assert (left.line, left.command) == (1, "edit")
    assert left.reason.startswith("412")


@pytest.mark.parametrize(
    ("other", "expected"),
    [({BOB: ("crm", "b-1")}, {"source": "crm", "external_id": "b-1"}), ({}, None)],
    ids=["known by its source", "unknown"],
)
def test_a_relationship_names_the_other_as_every_system_knows_it(other: dict[str, Any], expected: Any) -> None:
    history = ada(RELATED, says.RelationshipEnded(relationship_id=SPOUSE, reason="divorce"))

    lines = told(history, other)

    named = [(line["command"], line.get("other"), line.get("begins"), line.get("on")) for line in lines]
    assert named == ([("add-relationship", expected, 1, None), ("end-relationship", None, None, 1)] if other else [])
    assert BOB not in str(lines)


async def test_a_relationship_between_two_customers_of_the_person_is_taken_over(tmp_path: Path) -> None:
    history = History().tell(ADA, registered("a-1")).tell(AGAIN, registered("a-2", "shop"))
    one = says.RelationshipAdded(relationship_id=an_id("one"), other=AGAIN, role="branch")
    two = says.RelationshipAdded(relationship_id=an_id("two"), other=AGAIN, role="agent")
    history.tell(ADA, one, two, says.RelationshipEnded(relationship_id=an_id("two"), reason="over"))

    async with other_system(tmp_path) as other:
        assert await other.take(packed(history.events, ADA, AGAIN)) == []
        first, second = (await other.streams()).values()

    assert [getattr(event.data, "other", None) for event in first] == [
        None,
        second[0].customer,
        second[0].customer,
        None,
    ]
    assert first[3].data.relationship_id == first[2].data.relationship_id  # type: ignore[attr-defined]


def test_a_link_by_hand_is_taken_over_as_long_as_nobody_took_it_away() -> None:
    history = History().tell(ADA, registered("a-1")).tell(AGAIN, registered("a-2", "shop"))
    history.tell(ADA, says.ProcessingRestricted(reason="contested"))
    link = Linked(a=ADA, b=AGAIN, evidence=(), decided_by="manual", moves=(), reason="same passport")
    history.tell(ADA, link)
    rows, lines = following.take_along(history.events, (ADA, AGAIN), {})

    assert lines[0] == {
        "command": "link",
        "customer": ("crm", 1),
        "other": ("shop", 1),
        "purpose": "service",
        "body": {"reason": "same passport"},
    }
    assert [line["command"] for line in lines] == ["link", "restrict-processing"]
    assert "since" not in rows["crm"][0]
    history.tell(ADA, Separated(a=AGAIN, b=ADA, reason="twins", moves=()))
    assert [line["command"] for line in told(history)] == []


def test_only_follow_ups_that_are_still_planned_go_along() -> None:
    history = ada()
    kinds: dict[str, notes.ReminderKind] = {"to come": "follow_up", "done": "follow_up", "birthday": "birthday"}
    for name, kind in kinds.items():
        planned = notes.ReminderPlanned(
            reminder_id=an_id(name),
            kind=kind,
            due_at=datetime(2027, 1, 1, tzinfo=UTC),
            local_date=datetime(2027, 1, 1, tzinfo=UTC).date(),
            zone="UTC",
            assignee="ben",
            note=name,
        )
        history.tell(ADA, planned, stream=f"reminder-{an_id(name)}")
    history.tell(ADA, notes.ReminderFired(reminder_id=an_id("done"), kind="follow_up"))

    (line,) = told(history)

    assert line["command"] == "plan-follow-up"
    assert line["body"] == {"due_at": "2027-01-01T00:00:00.000000Z", "note": "to come"}


def test_nothing_erased_goes_along() -> None:
    history = ada()
    history.tell(ADA, OPENED.model_copy(update={"summary": ERASED}), stream=f"ticket-{TICKET}")
    history.tell(ADA, says.TicketResolved(ticket_id=TICKET, resolution="refund"), stream=f"ticket-{TICKET}")

    assert told(history) == []


async def test_a_file_has_no_say_in_what_else_is_sent(tmp_path: Path) -> None:
    async with other_system(tmp_path) as other:
        await other.take(packed(ada().events, ADA))
        head = other.log.head()
        lines = b"\n".join(
            subject._line(line).strip()
            for line in (
                {"command": "approve-erasure", "customer": ["crm", 1], "purpose": "service", "body": {}},
                {"command": "tag", "customer": ["crm", 7], "purpose": "service", "body": {}},
                {"command": "pay-order", "customer": ["crm", 1], "on": 3, "purpose": "service", "body": {}},
                {"customer": "crm"},
            )
        )
        left = await other.take(subject.pack({**_files(packed(ada().events, ADA)), subject.FOLLOWING: lines}))

    assert [each.reason for each in left] == [
        "There is no such command.",
        "The row of the customer was not taken.",
        "What it changes was not taken.",
        "This is no line of an export.",
    ]
    assert other.log.head() == head


def _contact(number: int) -> str:
    return contact_id_of(ADA, number)


def _files(export: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(export)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _without_ids(event: Recorded) -> tuple[Any, ...]:
    data = event.data.model_dump(mode="json")
    return event.type, event.occurred_at, {name: data[name] for name in data if not name.endswith("_id")}
