"""Experiments with the bugs in identity, notifications, privacy, and around the core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.customer.application import Application, Context, registration
from services.customer.domain.customer_commands import Archive, Register
from services.identity import number_store
from services.identity.batch import Outcome, _Change, _Decision, _Draft
from services.identity.domain.identities import Identities, evolve, link
from services.identity.matching.customer import NOTHING as UNCOMPARABLE
from services.identity.matching.features import NOTHING
from services.identity.matching.judging import Judge
from services.identity.matching.model import shipped
from services.notifications import store
from services.notifications.channels.channel import Message
from services.notifications.channels.spool import Spool
from services.notifications.deliveries import Deliveries
from services.notifications.domain import Fire, Reminder, decide
from services.notifications.timers import Timers
from shared import edge, metrics
from shared.errors import AlreadyReserved, CustlogError, VersionConflict
from shared.eventlog.commit import Committed
from shared.eventlog.mapper import encode
from shared.events.customer import ContactPointAdded
from shared.events.envelope import Actor, instant
from shared.events.identity import Asserted, NumberAssigned
from shared.ids import derive
from shared.privacy import keyring
from shared.privacy.sealing import DataKey
from shared.relay import Relay
from tests.faults.plants.trials.trial import CUSTOMER, NOW, Cursor, Notes, a_commit, at_once, looks_at, of, registered
from tests.support.events import recorded

JUDGE = Judge(shipped())


def _identities(**of_customer: str) -> Identities:
    return Identities.of(of_customer.items())


@looks_at("link-takes-one-along", "larger-identity-keeps-its-id")
def linked() -> object:
    state = _identities(a="a", d="a", b="b", c="b", e="b")
    return [(move.customer, move.identity) for event in _link(state, "d", "e") for move in event.moves]


def _link(state: Identities, a: str, b: str) -> Any:
    ids = {short: derive("trial", short) for short in "abcde"}
    ordered = dict(zip(sorted(ids), sorted(ids.values()), strict=True))
    real = Identities.of((ordered[customer], ordered[identity]) for customer, identity in state.identity_of.items())
    return link(real, ordered[a], ordered[b], evidence=(), decided_by="trial")


@looks_at("link-one-way")
def links() -> object:
    ids = sorted(derive("trial", short) for short in "abc")
    real = Identities.of((customer, customer) for customer in ids)
    (linked,) = link(real, ids[2], ids[1], evidence=(), decided_by="trial")
    evolve(real, linked)
    return real.links


@looks_at("separation-forgets-ban")
def banned() -> object:
    state = _identities(a="a", b="a")
    evolve(state, Asserted.model_construct(a="a", others=("b",), says="never", reason="x"))
    return state.bans


@looks_at("number-assigned-twice")
def numbered() -> object:
    state = Identities.of([(CUSTOMER, CUSTOMER)])
    numbers: Any = SimpleNamespace(assign=lambda *_: NumberAssigned(number="C1", rule="trial", serial=1))
    decision = _Decision(JUDGE, state, {}, numbers, Outcome(), JUDGE.guard({}))
    draft = _Draft(1, is_new=True, features=NOTHING, stored={}, normal=UNCOMPARABLE, evidence={})
    decision.take(_Change(recorded(registered(), CUSTOMER), UNCOMPARABLE, {}, (), is_new=True), draft, ())
    return len(decision.commits)


@looks_at("serials-overlap")
def serials() -> object:
    cursor: Any = Cursor({"scope": "customer", "next": 5})
    return number_store.counters(cursor, ["customer"])


class _Transactions(Notes):
    """A log whose transactions take down what is done in them."""

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        self.append("begin")
        yield SimpleNamespace(cursor=Cursor(), lock=self.note("lock"))
        self.append("commit")


def _round(due: list[Any]) -> object:
    log = _Transactions()
    looked: list[Any] = []
    clock = SimpleNamespace(now=lambda: NOW)
    timers = of(Timers, _log=log, _clock=clock, _ended=[])
    timers._end = log.note("end", {})
    kept = store.oldest_due, store.claim_due, store.queue

    def oldest(_: object, now: object) -> object:
        looked.append(now)
        return now

    vars(store).update(oldest_due=oldest, claim_due=lambda *_: due, queue=log.note("queue"))
    try:
        timers._round()
    finally:
        store.oldest_due, store.claim_due, store.queue = kept
    return looked, list(log)


@looks_at("timer-fires-early", "queued-after-firing")
def rounds() -> object:
    return _round([object()])


@looks_at("message-id-per-attempt")
@at_once
async def sent() -> object:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    delivery = store.Delivery("m", "r", "c", "birthday", "spool")
    channels: Any = {"spool": SimpleNamespace(send=send)}

    class Gate:
        async def __aenter__(self) -> None: ...
        async def __aexit__(self, *_: object) -> None: ...

    gate: Any = Gate()
    await Deliveries(of(object), of(object), channels)._send(delivery, gate)
    return sent


@looks_at("delivery-unclaimed")
def claimed() -> object:
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        spool.prepare()
        spool._write(Message("m", "r", "c", "birthday"))
        return sorted(path.name for path in Path(folder).iterdir()), store._CLAIM_DELIVERIES


@looks_at("timer-fires-twice")
def delivery() -> object:
    return [Timers._delivery(of(Timers, _channel="spool"), of(_Fired, seq=seq)).message_id for seq in (2, 5)]


class _Fired:
    reminder_id, customer, kind = CUSTOMER, CUSTOMER, "follow_up"


@looks_at("cancelled-reminder-fires")
def fired() -> object:
    state = Reminder(status="cancelled", kind="follow_up", due_at=NOW - timedelta(hours=1))
    cursor: Any = Cursor()
    store.claim_due(cursor, NOW, 5)
    store.oldest_due(cursor, NOW)
    with suppress(CustlogError):
        return len(decide(state, Fire(CUSTOMER), NOW)), cursor.told
    return cursor.told


@looks_at("field-left-unsealed")
def sealed() -> object:
    event = ContactPointAdded(contact_id=CUSTOMER, kind="phone", value="+614990", raw="0499 0")
    key = DataKey(CUSTOMER, "1", AESGCM(bytes(32)))
    stored = encode(
        event, a_commit().cause, event_id=CUSTOMER, log="customer", stream="s", seq=1, customer=CUSTOMER,
        recorded_at=instant(NOW), occurred_at=instant(NOW), keys={CUSTOMER: key},
    )  # fmt: skip
    return orjson.loads(stored)["data"]


class _Opened:
    """A keyring whose every subject has a key of its own."""

    def unwrap(self, subject: str, *_: object) -> bytes:
        return subject.encode()[-16:]


@looks_at("key-cache-by-prefix")
def keys() -> object:
    cursor: Any = Cursor((CUSTOMER, 1, b""), (CUSTOMER[:-1] + "0", 1, b""))

    @contextmanager
    def connection() -> Iterator[Any]:
        yield cursor

    pool = SimpleNamespace(connection=connection)
    ring = of(keyring.Keyring, _pool=pool, _keks=_Opened())
    return sorted(key.subject for key in ring.fetch({CUSTOMER}).values())


@looks_at("key-made-anew")
def ensuring() -> object:
    return keyring.ENSURE


@looks_at("keyring-connections-leak")
def connections() -> object:
    notes = Notes()

    @contextmanager
    def connection() -> Iterator[Cursor]:
        try:
            yield Cursor()
        finally:
            notes.append("given back")

    pool = SimpleNamespace(connection=connection, getconn=Cursor, putconn=notes.note("given back"))
    with suppress(ZeroDivisionError), of(keyring.Keyring, _pool=pool)._connection():
        raise ZeroDivisionError
    return list(notes)


@looks_at("request-leaves-file-open")
def requested() -> object:
    edge._record({"method": "GET", "path": "/metrics"}, 200, 0.0)
    return "_opened" in vars(metrics)


@looks_at("relay-wakes-queue-up")
def woken() -> object:
    source = SimpleNamespace(read=lambda *_: [SimpleNamespace(id=1, state=b"{")], head=lambda: 1)
    relay = of(Relay, _source=source, _limit=5, _partitions=12)
    with suppress(Exception):
        relay._read_and_build(None, SimpleNamespace(position=0, heads={}))
    return "_wakes" in vars(relay)


CONTEXT = Context(Actor(id="u", kind="user"), "web", "service", CUSTOMER, CUSTOMER, CUSTOMER)


async def _executed(expected: int | None, *, conflicts: int = 0, recalled: Any = None) -> object:
    notes = Notes()
    history = [recorded(registered(), CUSTOMER)]

    async def commit(commit: Any) -> Committed:
        notes.append([(append.expected, len(append.events)) for append in commit.appends])
        if len(notes) <= conflicts:
            history.append(history[0])
            raise VersionConflict("changed")
        return Committed(1, commit.result)

    async def load(_: str) -> Any:
        return list(history)

    async def recall(_: object) -> Any:
        return [recalled]

    log: Any = SimpleNamespace(commit=commit, load=load, recall=recall)
    clock: Any = SimpleNamespace(now=lambda: NOW)
    try:
        notes.append(
            await Application(log, clock).execute("customer", CUSTOMER, Archive(reason="x"), CONTEXT, expected)
        )
    except CustlogError as error:
        notes.append(type(error).__name__)
    return list(notes)


@looks_at("gap-after-conflict", "drained-retry-after-conflict", "stale-version-answered")
@at_once
async def decided_again() -> object:
    return await _executed(None, conflicts=1)


@looks_at("expected-version-ignored")
@at_once
async def expected_another() -> object:
    return await _executed(7)


@looks_at("repeat-refused")
@at_once
async def repeated() -> object:
    return await _executed(7, recalled=Committed(1, {"id": CUSTOMER, "version": 2}, replayed=True))


@looks_at("personal-data-logged")
@at_once
async def known_already() -> object:
    import structlog.testing  # noqa: PLC0415 - only here

    command = Register(kind="person", name="Ada Canary", source="crm", external_id="1")
    wanted = registration(CUSTOMER, command, CONTEXT, NOW)

    async def commit(_: object) -> None:
        raise AlreadyReserved("taken")

    async def holders(_: object) -> Any:
        return {wanted.reserve[0]: f"customer-{CUSTOMER}"}

    log: Any = SimpleNamespace(commit=commit, holders=holders)
    clock: Any = SimpleNamespace(now=lambda: NOW)
    with structlog.testing.capture_logs() as lines, suppress(CustlogError):
        await Application(log, clock).register(command, CONTEXT)
    return lines
