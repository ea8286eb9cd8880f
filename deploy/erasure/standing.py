"""How far the erasure of one customer is: what the log says, the ledger, the key, and every store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deploy.client import running_state
from deploy.embedded.home import Home
from deploy.erasure.stores import Confirmation, confirmations
from deploy.history import History
from services.customer.domain import customer as customers
from shared.clock import SystemClock
from shared.events.customer import CustomerErased, ErasureApproved, ErasureRefused, ErasureRequested
from shared.events.envelope import Recorded
from shared.privacy.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the erasure: who did it, when, and where it stands in the customer log."""

    by: str
    at: str
    position: int
    event: str
    reason: str | None = None

    def __str__(self) -> str:
        return f"by {self.by} at {self.at}" + (f", because: {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Held:
    """A hold that forbids the erasure now."""

    id: str
    reason: str
    until: str | None

    def __str__(self) -> str:
        return f"{self.id} ({self.reason}, {f'to the end of {self.until} UTC' if self.until else 'until it is lifted'})"


@dataclass(frozen=True, slots=True)
class Standing:
    """One look. What did not happen yet is None."""

    customer: str
    requested: Told | None
    approved: Told | None
    erased: Told | None
    holds: Sequence[Held]
    ledger: str | None
    key_destroyed: str | None
    stores: Sequence[Confirmation]

    @property
    def word(self) -> str:
        """none, requested, approved, erased (the log says so) or done (every store has confirmed it)."""
        if self.erased is not None:
            return "done" if not self.waiting else "erased"
        return "approved" if self.approved or self.ledger else "requested" if self.requested else "none"

    @property
    def waiting(self) -> list[str]:
        """What has not confirmed the erasure yet."""
        if self.erased is None:
            return ["log"]
        position = self.erased.position
        missing = [name for name, there in (("ledger", self.ledger), ("key", self.key_destroyed)) if there is None]
        return missing + [store.store for store in self.stores if not store.confirms(position)]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "state": self.word, "waiting": self.waiting}

    def lines(self) -> Iterator[str]:
        """One line for each step."""
        yield f"customer {self.customer}: {self.word}"
        yield f"  requested       {self.requested or 'no'}"
        yield f"  holds           {'; '.join(map(str, self.holds)) or 'none is active'}"
        yield f"  approved        {self.approved or 'no'}"
        yield f"  in the ledger   {self.ledger or 'no'}"
        yield f"  key destroyed   {self.key_destroyed or 'no'}"
        if self.erased is None:
            yield "  in the log      no"
            return
        yield f"  in the log      at position {self.erased.position}, {self.erased.at}"
        for store in self.stores:
            done = "confirmed" if store.confirms(self.erased.position) else "NOT YET"
            yield f"  {store.store:15} {done}: up to {store.position}, {store.left} left, {store.parked} parked"


async def standing(history: History, home: Home, customer: str) -> Standing:
    """How far it is now. EmbeddedError if the system is not up; Unavailable if the keyring does not answer."""
    events = [event for event in history.of_customers([customer]) if event.stream == f"customer-{customer}"]
    state = customers.decider(customer).fold(event.data for event in events)
    today = SystemClock().now().date()
    open_request = state.erasure != "none"
    return Standing(
        customer,
        requested=_last(events, ErasureRequested) if open_request else None,
        approved=_last(events, ErasureApproved),
        erased=_last(events, CustomerErased),
        holds=[
            Held(hold_id, hold.reason, hold.until.isoformat() if hold.until else None)
            for hold_id, hold in sorted(state.holds.items())
            if hold.active(today)
        ],
        ledger=Ledger(home.erasures).erased_at(customer),
        key_destroyed=history.keyring.destroyed_at(customer),
        stores=await confirmations(running_state(home), customer),
    )


def _last(events: Sequence[Recorded], kind: type) -> Told | None:
    found = [event for event in events if isinstance(event.data, kind)]
    if not found:
        return None
    event = found[-1]
    reason = event.data.reason if isinstance(event.data, ErasureRequested | ErasureRefused) else None
    return Told(event.actor.id, event.recorded_at, event.position or 0, event.id, reason)
