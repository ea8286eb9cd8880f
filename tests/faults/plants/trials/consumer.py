"""Experiments with the bugs in following the topics and in making the views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from services.projections import fold
from services.projections.application import Application
from services.projections.portions import Portions
from services.projections.store import Store
from services.projections.views import membership
from services.projections.views.directory import DIRECTORY
from services.projections.views.directory import new_member as new_listed
from services.projections.views.member import MEMBER_FOLDS, new_member
from services.projections.views.view import WorkingSet
from shared.audit.keys import MacKeys
from shared.authenticity import Authenticator
from shared.consumer import Consumer
from shared.decoding import Decoded, place
from shared.errors import Unavailable
from shared.events.customer import CustomerArchived, OrderPaid
from shared.events.identity import Linked, Move
from shared.inbox import Inbox, Stored
from shared.streaming import Parked, Plan, Source, plan
from shared.subscription import Subscription
from tests.faults.plants.trials.trial import CUSTOMER, Cursor, Notes, at_once, looks_at, of
from tests.support.events import an_id, recorded


def _source(position: int, prev: int = 0, key: str = CUSTOMER) -> Source:
    return Source("customer.events/0", "customer.events", 0, position, position, prev, key, b"{}")


class _Event(int):
    """Told by its position."""

    correlation = "trial"
    data = None


class _Taking:
    """A PostgreSQL consumer whose parts take down what is done."""

    def __init__(self, *, away: bool = False) -> None:
        self.notes = Notes()

        @contextmanager
        def transaction() -> Iterator[Any]:
            self.notes.append("begin")
            yield SimpleNamespace(cursor=Cursor(), lock=self.notes.note("lock"))
            self.notes.append("commit")

        def decode(*_: object) -> Decoded:
            if away:
                raise Unavailable("away")
            sources = [_source(position) for position in range(1, 9)]
            events: Any = {place(source): _Event(source.position) for source in sources}
            return Decoded(events)

        def apply(_: object, events: Any, __: object) -> None:
            self.notes.append(("apply", events))

        log: Any = SimpleNamespace(transaction=transaction, keyring=SimpleNamespace(fetch=lambda _: {}))
        decoder: Any = SimpleNamespace(decode=decode)
        consumer: Any = Consumer(log, "trial", decoder, apply, report=lambda _: None)
        consumer._inbox = SimpleNamespace(
            positions=lambda *_: {"customer.events/0": Stored(2, 3)},
            blocked=lambda *_: set(),
            advance=self.notes.note("advance"),
            park=self.notes.note("park"),
        )
        consumer._tell = consumer._count_duplicates = lambda *_: None
        self.consumer = consumer

    def take(self) -> object:
        self.consumer._take([_source(2, 1), _source(3, 2), _source(4, 3)])
        return list(self.notes)


@looks_at("consumer-no-dedupe", "consumer-position-first", "batch-loses-its-last")
def taken() -> object:
    return _Taking().take()


@looks_at("acknowledged-first")
@at_once
async def taken_without_keyring() -> object:
    taking = _Taking(away=True)

    async def in_thread(work: Callable[[], object]) -> object:
        return work()

    taking.consumer._log.in_thread = in_thread
    with suppress(Unavailable):
        await taking.consumer.handle([])
    return list(taking.notes)


@looks_at("hole-ignored")
def hole() -> object:
    return plan([_source(5, 4)], {"customer.events/0": 2}, ()).holes


class _Kafka(Notes):
    def __init__(self) -> None:
        super().__init__()
        self.pause = self.resume = lambda *_: None

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("customer.events", 0)}

    def seek(self, _: object, offset: int) -> None:
        self.append(("seek", offset))

    async def seek_to_beginning(self, *_: object) -> None:
        self.append("beginning")

    async def position(self, _: object) -> int:
        return 70

    async def end_offsets(self, places: Any) -> Any:
        return dict.fromkeys(places, 100)

    async def committed(self, _: object) -> int:
        return 60

    async def commit(self, offsets: object) -> None:
        self.append(("commit", str(offsets)))


def _subscription(kafka: _Kafka) -> Subscription:
    async def handle(_: object) -> Plan:
        kafka.append("handle")
        return Plan()

    async def resume(_: object) -> Any:
        return {("customer.events", 0): 50}

    broker: Any = None
    made = Subscription(broker, ["customer.events"], handle, resume)
    made.attach(SimpleNamespace(consumer=kafka))
    return made


@looks_at("rewind-forgotten")
@at_once
async def rewound() -> object:
    kafka = _Kafka()
    await _subscription(kafka).rewind("customer.events", 0)
    return list(kafka)


@looks_at("kafka-commits-first")
@at_once
async def consumed() -> object:
    kafka = _Kafka()
    await _subscription(kafka).consume([SimpleNamespace(topic="customer.events", partition=0, offset=5)])
    return list(kafka)


@looks_at("unreadable-dropped")
def unreadable() -> object:
    broken = _source(3)
    return Decoded(failures={place(broken): "no"}).park_failures(Plan([broken])).park


@looks_at("forged-believed")
def doubted() -> object:
    forged: Any = SimpleNamespace(
        topic="customer.events", partition=0, key=b"k", value=b"{}", headers=[("mac", b"1:0")]
    )
    return Authenticator(MacKeys(1, {1: b"k" * 32})).doubt(forged)


@looks_at("parked-key-not-held")
def blocked() -> object:
    cursor: Any = Cursor((CUSTOMER,))
    return Inbox("trial").blocked(cursor, [CUSTOMER])


@looks_at("park-keeps-first")
def parked() -> object:
    cursor: Any = Cursor()
    Inbox("trial").park(cursor, [Parked(_source(3), "a"), Parked(_source(4), "b")])
    return cursor.told


class _Views:
    """The application of the views, whose parts take down what is done."""

    def __init__(self) -> None:
        self.notes = Notes()

        async def advance(session: object, _: object) -> None:
            self.notes.append(f"advance {session}")

        async def positions(*_: object) -> Any:
            return {"customer.events/0": Stored(2, 3)}

        async def transaction(work: Any) -> Any:
            done = await work("session")
            self.notes.append("committed")
            return done

        async def fold_into(*given: object) -> set[str]:
            self.notes.append(("fold", [part for part in given if isinstance(part, list)]))
            return set()

        async def decode(_: object) -> Decoded:
            events: Any = {place(_source(n)): _Event(n) for n in range(1, 9)}
            return Decoded(events)

        inbox = SimpleNamespace(positions=positions, blocked=self.notes.anote("blocked", set()), advance=advance)
        store = SimpleNamespace(
            inbox=inbox, mongo=SimpleNamespace(transaction=transaction), active=self.notes.anote("active", {})
        )
        self.application = of(
            Application, store=store, portions=Portions(), fold_into=fold_into, decode=decode, _purges={}
        )

    async def take(self) -> object:
        await self.application.take([_source(2, 1), _source(3, 2), _source(4, 3)])
        return list(self.notes)


@looks_at("views-no-dedupe", "views-position-first", "views-position-apart", "batch-loses-its-first")
@at_once
async def viewed() -> object:
    return await _Views().take()


@looks_at("batches-kept")
@at_once
async def kept() -> object:
    views = _Views()
    await views.take()
    return "_taken" in vars(views.application)


@looks_at("timeline-inserted-apart")
@at_once
async def written() -> object:
    notes = Notes()

    async def bulk_write(writes: Any, **options: Any) -> None:
        notes.append((len(writes), options))

    collection = SimpleNamespace(bulk_write=bulk_write, insert_many=notes.anote("insert_many"))
    working = WorkingSet()
    working.put({"_id": "one"})
    await of(Store, database={"c": collection}).write("session", {"timeline": "c"}, {"timeline": working})
    return list(notes)


@looks_at("fold-forgets-payments")
def paid() -> object:
    member = new_member(CUSTOMER)
    event = recorded(OrderPaid(order_id=an_id("order"), amount="1", method="cash"), CUSTOMER)
    MEMBER_FOLDS[OrderPaid.TYPE](member, event.data, event)
    return member["orders"]


@looks_at("directory-keeps-archived")
def archived() -> object:
    working = WorkingSet()
    working.load([{"_id": CUSTOMER, "members": [new_listed(CUSTOMER)]}])
    fold.fold_view(DIRECTORY, [recorded(CustomerArchived(reason="x"), CUSTOMER)], working)
    return working.documents


@looks_at("last-move-read-wins", "moved-twice")
def moved() -> object:
    working = WorkingSet()
    for position, identity in ((9, "b"), (10, "c"), (7, "a")):
        move = Move(customer=an_id("x"), identity=an_id(identity))
        linked = Linked(a=an_id("x"), b=an_id("y"), evidence=(), decided_by="r", moves=(move,))
        for change in membership.moves_of(recorded(linked, CUSTOMER, position=position)):
            membership._move(working, new_listed, change.customer, change.identity, position)
    return working.documents
