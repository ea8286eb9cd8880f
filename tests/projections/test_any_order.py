"""The views do not depend on how the logs interleave, where batches are cut, or when a subject is erased."""

import random
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from services.projections.fold import fold_all, fold_view
from services.projections.views import VIEWS
from services.projections.views.view import WorkingSet
from shared.events import customer as says
from shared.events import notifications as notes
from shared.events.envelope import Contract, Recorded
from shared.events.identity import AliasAdded, Linked, Move, NumberAssigned, Separated
from shared.events.survivorship import ValuePinned, ValueUnpinned
from shared.streaming import Source, plan, source_name
from shared.topics import partition_of
from tests.support.events import History, an_id, customer_registered, erased
from tests.support.memory_views import Documents

CUSTOMERS = sorted(an_id(name) for name in ("ann", "ben", "carl", "dora"))
CONTACT = an_id("contact")
PINNABLE = (
    "name",
    "birth_date",
    f"phone:{CONTACT}",
    f"phone:{an_id('+4930123456')}",
    "address:main",
    "address:billing",
    "classification:segment",
    "extension:f.1",
)
PARTITIONS = 3


def _facts(chance: random.Random, customer: str, serial: int) -> list[Contract]:
    text = f"Text{serial}"
    reminder = an_id(f"reminder{chance.randrange(3)}-{customer}")
    return [
        says.NameCorrected(name=says.Name(full=f"{text} Name")),
        says.ContactPointAdded(contact_id=CONTACT, kind=chance.choice(("phone", "email")), value=f"+49{serial:08d}"),
        says.ContactPointVerified(contact_id=chance.choice((CONTACT, an_id("+4930123456"))), method="call"),
        says.ContactPointInvalidated(contact_id=CONTACT, reason="bounced"),
        says.ContactPointRemoved(contact_id=chance.choice((CONTACT, an_id("+4930123456"))), reason="wish"),
        says.AddressSet(usage="billing", address=says.Address(locality=text)),
        says.IdentifierAdded(identifier=says.Identifier(type="tax", value=text)),
        says.Classified(scheme="segment", code=chance.choice(("gold", "tin"))),
        says.Tagged(added=(f"t{serial % 3}",), removed=(f"t{(serial + 1) % 3}",)),
        says.PreferenceNoted(topic=f"p{serial % 2}", value=text, source="call"),
        says.ExtensionFieldSet(field="f.1", value=serial),
        ValuePinned(field=chance.choice(PINNABLE), reason="x"),
        ValuePinned(field=chance.choice(PINNABLE), reason="x"),
        ValueUnpinned(field=chance.choice(PINNABLE), reason="x"),
        says.ProcessingRestricted(reason="x"),
        says.RestrictionLifted(reason="x"),
        says.ObjectionRaised(purpose=f"p{serial % 2}"),
        says.ObjectionWithdrawn(purpose=f"p{serial % 3}"),
        says.CustomerArchived(reason="x"),
        says.CustomerRestored(reason="x"),
        says.OrderPlaced(order_id=an_id(text), reference="R", currency="EUR", total=f"{serial}.5"),
        says.TicketOpened(ticket_id=an_id(text), topic="t", summary=text),
        AliasAdded(alias=f"alias{serial % 4}", kind="former"),
        NumberAssigned(number=f"K-{CUSTOMERS.index(customer)}", rule="r", serial=serial),
        notes.ReminderPlanned(
            reminder_id=reminder,
            kind="follow_up",
            due_at="2026-05-01T00:00:00Z",
            local_date="2026-05-01",
            zone="UTC",
            note=text,
        ),
        notes.ReminderFired(reminder_id=reminder, kind="follow_up"),
        Linked(a=CUSTOMERS[0], b=customer, evidence=("x",), decided_by="r", moves=_moves(chance)),
        Separated(a=CUSTOMERS[0], b=customer, reason="x", moves=_moves(chance)),
    ]


def _moves(chance: random.Random) -> tuple[Move, ...]:
    moved = chance.sample(CUSTOMERS, k=2)
    return tuple(Move(customer=customer, identity=chance.choice(CUSTOMERS)) for customer in moved)


def a_history(seed: int, length: int) -> list[Recorded]:
    chance = random.Random(seed)
    history = History()
    for customer in CUSTOMERS:
        fields: dict[str, Any] = {"birth_date": "1990-01-01", "external_id": customer[:8], "address": {"locality": "X"}}
        history.tell(customer, customer_registered("First Last", "+4930123456", **fields))
    for serial in range(length):
        customer = chance.choice(CUSTOMERS)
        history.tell(customer, chance.choice(_facts(chance, customer, serial)))
    return history.events


def interleaved(events: list[Recorded], seed: int) -> list[Recorded]:
    """Another order in which the partitions may be read: per customer and log it is the same."""
    chance = random.Random(seed)
    lanes: dict[tuple[str, str], list[Recorded]] = {}
    for event in events:
        lanes.setdefault((event.customer, event.log), []).append(event)
    order = [lane for lane, of_lane in lanes.items() for _ in of_lane]
    chance.shuffle(order)
    following = {lane: iter(of_lane) for lane, of_lane in lanes.items()}
    return [next(following[lane]) for lane in order]


def canonical(documents: Any) -> bytes:
    return orjson.dumps(documents, option=orjson.OPT_SORT_KEYS)


seeds = st.integers(0, 2**32)


@settings(max_examples=60, deadline=None)
@given(story=seeds, order=seeds, length=st.integers(0, 60), cut=st.integers(1, 30))
def test_interleaving_and_batch_cuts_make_no_difference(story: int, order: int, length: int, cut: int) -> None:
    events = a_history(story, length)
    shuffled = interleaved(events, order)
    stores = {name: Documents({}) for name in VIEWS}
    for start in range(0, len(shuffled), cut):
        batch = shuffled[start : start + cut]
        fold_into(stores, batch)
    assert_folded(stores, events)


def fold_into(stores: dict[str, Documents], batch: list[Recorded]) -> None:
    for name, view in VIEWS.items():
        working = WorkingSet()
        working.load(stores[name].find(view.wanted(batch)))
        fold_view(view, batch, working)
        stores[name].write(working)


def assert_folded(stores: dict[str, Documents], events: list[Recorded]) -> None:
    expected = fold_all(events)
    for name, store in stores.items():
        assert canonical(store.all()) == canonical(expected[name]), name


def published(events: list[Recorded]) -> dict[str, list[tuple[Source, Recorded]]]:
    """The records of each partition of three topics, in order, each with its predecessor."""
    partitions: dict[str, list[tuple[Source, Recorded]]] = {}
    for event in events:
        topic, number = f"{event.log}.events", partition_of(event.customer, PARTITIONS)
        name = source_name(topic, number)
        records = partitions.setdefault(name, [])
        prev = records[-1][0].position if records else 0
        source = Source(name, topic, number, len(records), event.position or 0, prev, event.customer, b"")
        records.append((source, event))
    return partitions


@settings(max_examples=60, deadline=None)
@given(story=seeds, order=seeds, length=st.integers(0, 60))
def test_records_that_come_again_and_partitions_that_wait_make_no_difference(
    story: int, order: int, length: int
) -> None:
    chance = random.Random(order)
    events = a_history(story, length)
    partitions = published(events)
    stores = {name: Documents({}) for name in VIEWS}
    offsets, positions = dict.fromkeys(partitions, 0), dict.fromkeys(partitions, 0)
    while any(offsets[name] < len(records) for name, records in partitions.items()):
        batch = []
        for name in chance.sample(sorted(partitions), k=chance.randint(1, len(partitions))):
            start = max(0, offsets[name] - chance.choice((0, 0, 3)))
            batch += partitions[name][start : offsets[name] + chance.randint(1, 9)]
        event_of = {(source.name, source.position): event for source, event in batch}
        planned = plan([source for source, _ in batch], positions, ())
        fold_into(stores, [event_of[source.name, source.position] for source in planned.apply])
        for name, move in planned.positions.items():
            positions[name], offsets[name] = move.position, move.next_offset
    assert_folded(stores, events)


@settings(max_examples=60, deadline=None)
@given(story=seeds, length=st.integers(0, 60), subject=st.sampled_from(CUSTOMERS))
def test_a_purged_document_is_that_of_a_subject_erased_before_its_first_event(
    story: int, length: int, subject: str
) -> None:
    events = a_history(story, length)
    live, after = fold_all(events), fold_all(erased(events, subject))
    for name, view in VIEWS.items():
        for document in live[name].values():
            view.purge(document, subject)
        assert canonical(live[name]) == canonical(after[name]), name


@settings(max_examples=20, deadline=None)
@given(story=seeds, length=st.integers(0, 60))
def test_a_document_holds_only_what_json_and_the_database_hold_alike(story: int, length: int) -> None:
    def plain(value: Any) -> bool:
        match value:
            case dict():
                return all(type(key) is str and plain(item) for key, item in value.items())
            case list():
                return all(plain(item) for item in value)
            case _:
                return value is None or type(value) in (str, int, bool)

    assert plain(fold_all(a_history(story, length)))
