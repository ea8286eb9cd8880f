"""What every channel promises. A channel is one file here and one line in main.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A message by reference: ids and its kind. Who needs a name or an address asks the query API for it."""

    id: str
    reminder: str
    customer: str
    kind: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The message is with its receiver, by this or by an earlier call."""

    message: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The message was not taken. `error` is a code; `retry` says whether trying again may help."""

    error: str
    retry: bool = True


class Channel(Protocol):
    """A way out to people.

    `send` may be called again with the same message, after a crash for instance: the receiver sees one. It answers
    expected failures and raises nothing; after a Failure the receiver has seen nothing of the message.
    """

    @property
    def name(self) -> str:
        """A code, stored with every message."""
        ...

    async def send(self, message: Message) -> Receipt | Failure:
        """Hands the message over; a Receipt means that it survives a crash of either side."""
        ...
