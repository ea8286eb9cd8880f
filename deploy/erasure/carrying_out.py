"""The watch over an erasure: what stood where before it, and what stands there after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.canary import scan as scanning
from deploy.canary.needles import Needles
from deploy.canary.report import Report
from deploy.client import running_state
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.erasure.sweep import sweep
from deploy.history import History, database_url
from shared.access.journal import Access, Journal
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.events.envelope import Actor
from shared.ids import uuid7

OPERATION = "CONSOLE erase"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Watch:
    """The values of a customer, in memory only, and what a scan found of them before the erasure."""

    home: Home
    customer: str
    sought: Needles
    also: Sequence[Path]
    before: Report

    async def again(self, tell: Tell) -> Report:
        """The same scan once more."""
        return await scanning.scan(self.home, self.customer, self.sought, self.also, tell)


async def begin(history: History, home: Home, customer: str, user: str, *, also: Sequence[Path], tell: Tell) -> Watch:
    """Reads the customer's values, records that access, and scans for them.

    EmbeddedError if the customer has nothing to be searched for, Unavailable if the access log does not answer.
    """
    await _record(history, home, customer, user)
    tell("Reading what is to be searched for")
    sought = scanning.values_of(history, home, customer)
    if not sought.forms:
        raise EmbeddedError(f"Customer {customer} has no value to be searched for: leave --scan out.")
    return Watch(home, customer, sought, also, await scanning.scan(home, customer, sought, also, tell))


def let_go(home: Home, tell: Tell) -> list[str]:
    """Makes the servers let go of what was deleted; what could not be done, in sentences."""
    return sweep(running_state(home), tell)


async def _record(history: History, home: Home, customer: str, user: str) -> None:
    fields = {name for event in history.of_customers([customer]) for name in event.data.SEALED}
    log = Log(
        "access", database_url(running_state(home).servers["postgres"].url, "access"), history.keyring, SystemClock()
    )
    log.open()
    try:
        access = Access(Actor(id=user, kind="user"), "console", "erasure", uuid7(), OPERATION)
        await Journal(log).read(access, {customer: fields})
    finally:
        log.close()
