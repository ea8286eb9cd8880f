"""A question to the trail and the order of its answers. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from deploy.embedded.errors import EmbeddedError
from shared.eventlog.mapper import Record
from shared.events.catalogue import LOGS, NEWEST
from shared.events.envelope import instant, moment

Order = Literal["newest", "oldest"]
MOST_REASON = 200
"""Characters of the reason that an export is recorded with."""


class Place(NamedTuple):
    """Where a record stands among those of all logs: by time, then log, then position."""

    at: datetime
    log: str
    position: int

    def __str__(self) -> str:
        return f"{instant(self.at)}~{self.log}~{self.position}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """The place that a cursor names. EmbeddedError if it is none of ours."""
        try:
            at, log, position = text.split("~")
            place = cls(moment(at), log, int(position))
        except ValueError:
            place = None
        if place is None or place.at.tzinfo is None or place.log not in LOGS:
            raise EmbeddedError(f"--after {text!r} is no cursor; give it as the last page showed it.")
        return place

    @classmethod
    def of(cls, record: Record, log: str, position: int) -> Place:
        return cls(moment(record.recorded_at), log, position)


@dataclass(frozen=True, slots=True)
class Question:
    """Which records are asked for; what is not given does not matter. `since` is in, `until` is out."""

    actor: str | None = None
    customers: frozenset[str] | None = None
    types: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    command: str | None = None
    correlation: str | None = None
    logs: tuple[str, ...] = field(default_factory=lambda: tuple(LOGS))

    def about(self, customers: frozenset[str]) -> Question:
        """The same question about these customers only."""
        return replace(self, customers=customers)

    def matches(self, record: Record) -> bool:
        """Whether a record is asked for."""
        return (
            (self.actor is None or record.actor.id == self.actor)
            and (self.customers is None or record.customer in self.customers)
            and (self.types is None or record.type in self.types)
            and (self.command is None or record.command == self.command)
            and (self.correlation is None or record.correlation == self.correlation)
            and self._in_time(record.recorded_at)
        )

    def described(self) -> str:
        """The question in ids and instants, as an export is recorded with it: at most MOST_REASON characters.

        A longer one ends with the SHA-256 of the whole, so that the same question has the same text.
        """
        given = {
            "actor": self.actor,
            "customer": ",".join(sorted(self.customers or ())),
            "type": ",".join(sorted(self.types or ())),
            "from": self.since and instant(self.since),
            "to": self.until and instant(self.until),
            "command": self.command,
            "correlation": self.correlation,
            "log": "" if self.logs == tuple(LOGS) else ",".join(self.logs),
        }
        text = " ".join(f"{name}={value}" for name, value in given.items() if value) or "everything"
        if len(text) <= MOST_REASON:
            return text
        ending = f" sha256={hashlib.sha256(text.encode()).hexdigest()}"
        return text[: MOST_REASON - len(ending)] + ending

    def _in_time(self, recorded_at: str) -> bool:
        # Text order is time order.
        return (self.since is None or instant(self.since) <= recorded_at) and (
            self.until is None or recorded_at < instant(self.until)
        )


def types_of(patterns: Iterable[str]) -> frozenset[str]:
    """The event types that these names mean; `*` stands for anything. EmbeddedError for a name that means none."""
    found: set[str] = set()
    for pattern in patterns:
        matching = {name for name in NEWEST if fnmatchcase(name, pattern)}
        if not matching:
            raise EmbeddedError(f"There is no kind of event {pattern!r}; there are {', '.join(sorted(NEWEST))}.")
        found |= matching
    return frozenset(found)
