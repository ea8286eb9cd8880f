"""What is exported of a person: everything, from everywhere; and another system reads it back to the same record."""

from __future__ import annotations

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy import portable, subject
from deploy.replay import Life
from deploy.subject import Held
from services.customer.application import Application, Context, registration
from services.customer.domain import customer_commands as commands
from services.customer.domain.customer import decider
from services.customer.domain.customer_commands import Register
from services.customer.intake.answers import Delivery
from services.customer.intake.importing import Intake
from services.projections.fold import fold_all
from services.projections.views.customer import CUSTOMER
from services.projections.views.golden import golden
from services.projections.views.values import Opened, held, opened_of
from shared.clock import SystemClock
from shared.errors import CustlogError
from shared.events import customer as says
from shared.events import notifications as notes
from shared.events.access import PersonalDataRead
from shared.events.envelope import ERASED, Actor, Recorded
from shared.events.identity import Linked, Move
from shared.ids import derive, uuid7
from tests.customer.test_properties import customer_commands
from tests.deploy.other_system import other_system
from tests.support.events import an_id, recorded
from tests.support.memory_log import MemoryLog

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ADA = Register(
    kind="person",
    name=says.Name(full="Ada Example", given="Ada", family="Example"),
    source="crm",
    external_id="a-1",
    phones=("+49 30 123456", "+49 30 654321"),
    emails=("ada@example.org",),
    birth_date=date(1980, 2, 29),
    address=says.Address(lines=("High Street",), postcode="10115"),
    identifiers=(says.Identifier(type="tax", value="123"),),
    classification={"segment": "gold"},
    tags=("vip",),
)
TOLD = st.tuples(customer_commands, st.sampled_from([0, 0, 1, 60, 3_600]))


def lived(customer: str, register: Register, told: list[tuple[Any, int]]) -> list[Recorded]:
    """The stream of a customer to whom these commands came, each so many seconds after the one before."""
    made = decider(customer)
    state, at, seq = made.initial, NOW - timedelta(days=30), 0
    events = []
    for command, later in [(register, 0), *told]:
        at += timedelta(seconds=later)
        try:
            news = made.decide(state, command, NOW)
        except CustlogError:
            continue
        for event in news:
            seq += 1
            state = made.evolve(state, event)
            told_once = recorded(event, customer, position=seq, seq=seq, at=at)
            # Values are found by the ids of events, which no two customers share.
            events.append(msgspec.structs.replace(told_once, id=derive("event", customer, str(seq))))
    return events


def one_person(*streams: list[Recorded]) -> dict[str, Any]:
    """The golden record of these customers: of every field its value, since when it is so, and why."""
    customers = sorted(stream[0].customer for stream in streams)
    moves = tuple(Move(customer=customer, identity=customers[0]) for customer in customers)
    link = recorded(Linked(a=customers[0], b=customers[-1], evidence=(), decided_by="test", moves=moves), customers[0])
    events = [event for stream in streams for event in stream]
    (document,) = fold_all([*events, link], (CUSTOMER,))["customer"].values()
    opened = opened_of(events)
    return {
        field: (_value(opened, field, chosen), chosen["at"], chosen["why"])
        for field, chosen in golden(document["members"], opened).items()
    }


def _value(opened: Opened, field: str, chosen: dict[str, Any]) -> Any:
    return chosen.get("value") or held(opened, chosen["event"], field, chosen.get("contact", ""))


async def imported(packed: bytes) -> list[list[Recorded]]:
    """The streams of the customers that an empty system makes of an export."""
    with TemporaryDirectory() as folder:
        async with other_system(Path(folder)) as other:
            await other.take(packed)
            return list((await other.streams()).values())


def export(*streams: list[Recorded], others: tuple[Recorded, ...] = (), accesses: tuple[Recorded, ...] = ()) -> bytes:
    members = tuple(sorted(stream[0].customer for stream in streams))
    events = tuple(event for stream in streams for event in stream) + others
    life = Life(members[0], "C1", members, (), events, None, members)
    return subject.pack(Held(life, members, accesses).files("w-1", NOW))


@settings(max_examples=25, deadline=None)
@given(st.lists(TOLD, max_size=14), st.lists(TOLD, max_size=14))
def test_another_system_reads_an_export_back_to_the_same_golden_record(
    first: list[tuple[Any, int]], second: list[tuple[Any, int]]
) -> None:
    older, newer = sorted((an_id("ada"), an_id("again")))
    shop = ADA.model_copy(update={"source": "shop", "name": says.Name(full="A. Example"), "emails": ("a@example.org",)})
    streams = [lived(older, ADA, first), lived(newer, shop, second)]

    again = asyncio.run(imported(export(*streams)))

    assert one_person(*again) == one_person(*streams)
    assert [event.type for stream in again for event in stream] == [
        event.type for stream in streams for event in stream if event.type in portable._COMMANDS or event.seq == 1
    ]


def test_everything_is_in_it_with_its_source_and_time() -> None:
    ada = an_id("ada")
    stream = lived(ada, ADA, [(commands.NotePreference(topic="tea", value="green", source="call"), 60)])
    note = recorded(
        notes.ReminderPlanned(
            reminder_id=an_id("r"), kind="follow_up", due_at=NOW, local_date=NOW.date(), zone="UTC", note="Call her"
        ),
        ada,
    )
    read = recorded(PersonalDataRead(operation="GET /customers/{ref}", fields=("name",)), ada)

    packed = zipfile.ZipFile(io.BytesIO(export(stream, others=(note,), accesses=(read,))))

    whole = orjson.loads(packed.read(subject.WHOLE))
    values = list(csv.DictReader(io.StringIO(packed.read(subject.VALUES).decode())))
    told = {(row["source"], row["type"], row["field"]): row for row in values}
    assert whole["watermark"] == "w-1"
    assert len(whole["values"]) == len(values)
    assert told["crm", "customer.preference_noted", "value"]["value"] == "green"
    assert told["crm", "customer.preference_noted", "value"]["occurred_at"] == stream[-1].occurred_at
    assert told["crm", "reminder.planned", "note"]["value"] == "Call her"
    assert orjson.loads(told["crm", "customer.registered", "address"]["value"])["postcode"] == "10115"
    (seen,) = csv.DictReader(io.StringIO(packed.read(subject.ACCESSES).decode()))
    assert (seen["account"], seen["operation"], seen["fields"]) == ("user:u1", "GET /customers/{ref}", '["name"]')
    assert {event["type"] for event in whole["events"]} >= {"customer.registered.v1", "reminder.planned.v1"}


def test_customers_who_are_somebody_else_are_not_in_it() -> None:
    ada, other = an_id("ada"), an_id("other")
    moves = (Move(customer=ada, identity=ada), Move(customer=other, identity=ada))
    link = recorded(Linked(a=ada, b=ada, evidence=(), decided_by="test", moves=moves), ada)

    packed = export(lived(ada, ADA, []), others=(link,))

    assert ada.encode() in zipfile.ZipFile(io.BytesIO(packed)).read(subject.WHOLE)
    assert other.encode() not in zipfile.ZipFile(io.BytesIO(packed)).read(subject.WHOLE)


def test_what_was_erased_says_so_and_is_no_row() -> None:
    ada = an_id("ada")
    (registered,) = lived(ada, ADA, [])
    gone = registered.data.model_copy(update=dict.fromkeys(registered.data.SEALED, ERASED))
    erased = recorded(gone, ada, at=NOW)

    packed = zipfile.ZipFile(io.BytesIO(export([erased])))

    assert packed.namelist() == [subject.WHOLE, subject.VALUES, subject.ACCESSES]
    assert b'"value": "erased"' in packed.read(subject.WHOLE)
    with pytest.raises(ValueError, match="no rows"):
        subject.intake_files(export([erased]))


@pytest.mark.parametrize(
    ("since", "field"),
    [
        ([{"command": "approve-erasure"}], "since.0.command"),
        ([{"command": "classify", "scheme": "a"}, {"command": "classify"}], "since.1.scheme"),
        ([{"command": "verify-contact-point", "contact": 9, "method": "call"}], "contact_id"),
        ("edit", "row"),
    ],
)
def test_a_row_that_tells_what_cannot_be_is_refused_as_a_whole(since: Any, field: str) -> None:
    async def answers() -> list[Any]:
        application = Application(MemoryLog("customer"), SystemClock())
        delivery = Delivery("crm", "ndjson", Actor(id="u1", kind="user"), "import", "service", uuid7())

        async def body() -> AsyncIterator[bytes]:
            yield orjson.dumps({"kind": "person", "name": "Ada", "external_id": "a", "since": since})

        found = [orjson.loads(part) async for part in Intake(application, delivery).run(body())]
        assert application.log.head() == 0
        return found

    first, summary = asyncio.run(answers())

    assert first["errors"][0]["field"] == field
    assert summary["refused"] == 1


def test_a_row_with_another_past_is_another_row() -> None:
    context = Context(Actor(id="u1", kind="user"), "import", "service", uuid7(), uuid7(), uuid7())
    vip = (commands.Tag(add=("vip",)),)

    plain = registration(an_id("ada"), ADA, context, NOW)
    told = registration(an_id("ada"), ADA, context, NOW, since=vip)

    assert plain.digest != told.digest
    assert told.result["version"] == 1
