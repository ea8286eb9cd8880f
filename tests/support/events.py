"""Events as a reader of the logs meets them, made without a log: `History` numbers them as the logs would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from shared.events.catalogue import LOGS
from shared.events.customer import ContactPoint, CustomerRegistered, Name
from shared.events.envelope import ERASED, Actor, Contract, Recorded, SealedPart, instant
from shared.ids import derive

LOG_OF = {contract.TYPE: log for log, contracts in LOGS.items() for contract in contracts}
START = datetime(2026, 1, 1, tzinfo=UTC)


def an_id(name: str) -> str:
    """The same UUID for the same name."""
    return derive("test", name)


def customer_registered(full: str = "Ada Example", *phones: str, **fields: object) -> CustomerRegistered:
    """A registration with the fields that a test cares about; each phone becomes a contact point."""
    points = tuple(ContactPoint(contact_id=an_id(phone), kind="phone", value=phone) for phone in phones)
    given = {"kind": "person", "source": "crm", "name": Name(full=full), "contact_points": points}
    return CustomerRegistered.model_validate(given | fields)


def recorded(
    data: Contract,
    customer: str,
    *,
    position: int = 1,
    seq: int = 1,
    stream: str | None = None,
    at: datetime = START,
    recorded_at: datetime | None = None,
) -> Recorded:
    """One event. Its sealed fields have a sealed part that no key opens."""
    log = LOG_OF[data.TYPE]
    sealed = tuple(sorted(name for name in data.SEALED if getattr(data, name) not in (None, (), {})))
    return Recorded(
        id=derive("event", log, str(position)),
        type=data.TYPE,
        version=data.VERSION,
        log=log,
        stream=stream or f"{log}-{customer}",
        seq=seq,
        recorded_at=instant(recorded_at or at),
        occurred_at=instant(at),
        actor=Actor(id="u1", kind="user"),
        channel="web",
        purpose="service",
        command=derive("command", log, str(position)),
        correlation=derive("correlation", log, str(position)),
        causation=derive("command", log, str(position)),
        depth=0,
        customer=customer,
        data=data,
        sealed={customer: SealedPart("1", "bm9uY2U=", f"{log}-{position}", sealed)} if sealed else {},
        position=position,
    )


def erased(events: Iterable[Recorded], subject: str) -> list[Recorded]:
    """The same events as they read after the subject's key was destroyed."""
    return [
        replace(event, data=event.data.model_copy(update=dict.fromkeys(event.sealed[subject].fields, ERASED)))
        if subject in event.sealed
        else event
        for event in events
    ]


class History:
    """Events of all logs, in the order in which they are told; positions and seqs count up as in the logs."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self._positions: dict[str, int] = defaultdict(int)
        self._seqs: dict[str, int] = defaultdict(int)

    def tell(self, customer: str, *told: Contract, at: datetime | None = None, stream: str | None = None) -> History:
        """Add events about one customer, a minute after one another unless `at` says when they happened."""
        for data in told:
            log = LOG_OF[data.TYPE]
            name = stream or f"{log}-{customer}"
            self._positions[log] += 1
            self._seqs[name] += 1
            now = START + timedelta(minutes=len(self.events))
            self.events.append(
                recorded(
                    data,
                    customer,
                    position=self._positions[log],
                    seq=self._seqs[name],
                    stream=name,
                    at=at or now,
                    recorded_at=now,
                )
            )
        return self
