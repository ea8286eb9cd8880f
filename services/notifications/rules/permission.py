"""Whether a person may be written to for a purpose through a channel, by what they said about it last. Pure.

It is asked twice: when a reminder comes due, and again before each attempt to send its message.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from shared.events.customer import (
    ConsentGiven,
    ConsentWithdrawn,
    ObjectionRaised,
    ObjectionWithdrawn,
    ProcessingRestricted,
    RestrictionLifted,
)
from shared.events.envelope import Recorded

RESTRICTED = "restricted"
OBJECTED = "objected"
CONSENT_WITHDRAWN = "consent_withdrawn"
NO_CONSENT = "no_consent"

ANY = ""
"""Stands for every purpose or every channel."""
NEEDING_CONSENT = frozenset({"marketing"})
"""Purposes for which nothing is sent without consent. For others it is enough that nobody said no."""

Said: TypeAlias = Literal["given", "withdrawn", "objected", "restricted", "nothing"]


@dataclass(frozen=True, slots=True)
class Word:
    """The last that a customer said about a purpose and a channel; `position` is that of the event in its log."""

    customer: str
    purpose: str
    channel: str
    said: Said
    position: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.customer, self.purpose, self.channel


_SAYINGS: Mapping[str, Callable[[Any], tuple[str, str, Said]]] = {
    ConsentGiven.TYPE: lambda data: (data.purpose, data.channel, "given"),
    ConsentWithdrawn.TYPE: lambda data: (data.purpose, data.channel, "withdrawn"),
    ObjectionRaised.TYPE: lambda data: (data.purpose, ANY, "objected"),
    ObjectionWithdrawn.TYPE: lambda data: (data.purpose, ANY, "nothing"),
    ProcessingRestricted.TYPE: lambda _: (ANY, ANY, "restricted"),
    RestrictionLifted.TYPE: lambda _: (ANY, ANY, "nothing"),
}
SAYING = frozenset(_SAYINGS)
"""The types of events that say something about it."""


def words(events: Iterable[Recorded]) -> list[Word]:
    """What customers said last in these events, one word for each purpose and channel."""
    last: dict[tuple[str, str, str], Word] = {}
    for event in events:
        if event.type in _SAYINGS:
            word = Word(event.customer, *_SAYINGS[event.type](event.data), event.position or 0)
            if word.key not in last or last[word.key].position <= word.position:
                last[word.key] = word
    return list(last.values())


def refusal(
    said: Collection[Word], purpose: str, channel: str, needing_consent: Collection[str] = NEEDING_CONSENT
) -> str | None:
    """Why nothing may be sent, as a code; None if it may. `said` is what all customers of the person said.

    A restriction or an objection of any of them holds for the person; of consents the last word of any of them counts.
    """
    if any(word.said == "restricted" for word in said):
        return RESTRICTED
    if any(word.said == "objected" and word.purpose == purpose for word in said):
        return OBJECTED
    heard = [word for word in said if word.said in ("given", "withdrawn")]
    heard = [word for word in heard if (word.purpose, word.channel) == (purpose, channel)]
    if heard:
        return None if max(heard, key=lambda word: word.position).said == "given" else CONSENT_WITHDRAWN
    return NO_CONSENT if purpose in needing_consent else None
