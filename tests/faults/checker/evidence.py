"""Everything a run left behind, read once: what the judges look at, and nothing else. No input or output here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from shared.audit.inspection import Verdict
from shared.events.envelope import Recorded

Json: TypeAlias = dict[str, Any]
Outcome: TypeAlias = Literal["ok", "fail", "info"]

IMPORT = "import"
"""The op of a file of rows; every row of it is a command of its own."""
CONSUMED: Mapping[str, tuple[str, ...]] = {
    "identity": ("customer.events",),
    "notifications": ("customer.events", "identity.events"),
    "projections": ("customer.events", "identity.events", "notifications.events"),
}
"""Consumer -> the topics it reads."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of the load: what was sent, and what came back. `info` is an unknown outcome, also one never noted.

    `expect` is the version that the caller had seen (If-Match).
    """

    n: int
    attempt: int
    at: float
    op: str
    service: str
    user: str
    key: str
    command: str
    path: str
    body: Any
    expect: int | None = None
    outcome: Outcome = "info"
    answered_at: float | None = None
    status: int | None = None
    answer: Any = None
    replayed: bool = False
    rows: Sequence[Json] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault and what became of it: end, skipped, failed, or `begin` if nothing more was noted."""

    n: int
    at: float
    kind: str
    target: str
    became: str
    evidence: Json


@dataclass(frozen=True, slots=True)
class Logged:
    """One row of a log. `event` is its opened content, None if this build cannot read it (`trouble` says why)."""

    log: str
    position: int
    stream: str
    seq: int
    customer: str | None
    state: bytes
    event: Recorded | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class OnTopic:
    """One record of a topic as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]

    @property
    def position(self) -> int | None:
        """Its place in the log, None without a usable header."""
        given = self.headers.get("position", b"")
        return int(given) if given.isdigit() else None


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that a consumer put aside; `position` is 0 for one without position headers."""

    source: str
    position: int
    offset: int
    key: str


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file of the spool: its name without suffix, and the ids inside (empty if it cannot be read)."""

    name: str
    content: Json


@dataclass(frozen=True, slots=True)
class Erasures:
    """Who is in the ledger of erasures, who has a key, and of whom a store holds something that a key opened.

    left  store -> customers
    """

    ledger: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    left: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the checker judges. Every part has an empty default, so that a judge can be tried with a part alone.

    rested        False if the storm saw something behind until it gave up waiting
    remembered    log -> command id -> the answer that is stored for it
    reservations  log -> key -> stream that holds it
    members       customer -> identity, links (a, b): the tables of the identity service
    deliveries    message id -> when it is tried next, of messages not sent yet
    positions     consumer -> "<topic>/<partition>" -> position
    answers       customer -> what GET /customers/{id} answered; None if it did not answer with 200
    numbers       number -> the customer that GET /numbers/{number} answered
    ready         service -> what GET /health/ready answered
    inspected     log -> what an inspection of its raw rows found
    leaks         files or tables in which the canary stands; None if nobody looked
    marks         collection of MongoDB -> the marks of people of the load that stand in it
    erasures      what became of the keys and copies of who was erased
    """

    seed: int = 0
    read_at: datetime | None = None
    rested: bool = True
    settled_seconds: float | None = None
    attempts: Sequence[Attempt] = ()
    faults: Sequence[Fault] = ()
    samples: Sequence[Json] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    partitions: int = 12
    logs: Mapping[str, Sequence[Logged]] = field(default_factory=dict)
    remembered: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reservations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)
    links: frozenset[tuple[str, str]] = frozenset()
    deliveries: Mapping[str, datetime] = field(default_factory=dict)
    topics: Mapping[str, Sequence[OnTopic]] = field(default_factory=dict)
    views: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    positions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    parked: Mapping[str, Sequence[Parked]] = field(default_factory=dict)
    spool: Sequence[Spooled] = ()
    answers: Mapping[str, Json | None] = field(default_factory=dict)
    numbers: Mapping[str, str | None] = field(default_factory=dict)
    ready: Mapping[str, Json] = field(default_factory=dict)
    inspected: Mapping[str, Verdict] = field(default_factory=dict)
    leaks: Sequence[str] | None = None
    marks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    erasures: Erasures = field(default_factory=Erasures)

    def events(self, log: str) -> list[Recorded]:
        """The readable events of a log, in its order."""
        return [row.event for row in self.logs.get(log, ()) if row.event is not None]

    def erased(self) -> frozenset[str]:
        """Whom the log or the ledger says to be erased, or to be about to be."""
        told = ("customer.erased", "customer.erasure_approved")
        return self.erasures.ledger | {event.customer for event in self.events("customer") if event.type in told}

    def done(self, *kinds: str) -> list[Fault]:
        """The faults of these kinds that happened."""
        return [fault for fault in self.faults if fault.kind in kinds and fault.became == "end"]

    def set_aside(self, consumer: str) -> set[tuple[str, int]]:
        """(log, position) of the records that a consumer has not applied, because they are parked there."""
        return {
            (parked.source.partition(".")[0], parked.position)
            for parked in self.parked.get(consumer, ())
            if parked.position
        }

    def lost_between(self) -> tuple[float, float] | None:
        """From when to when an answer may have been lost, because an older backup was restored."""
        restored = self.done("restore")
        if not restored:
            return None
        return (
            min(fault.evidence.get("backup_at", 0.0) for fault in restored),
            max(fault.evidence.get("restored_at", fault.at) for fault in restored),
        )
