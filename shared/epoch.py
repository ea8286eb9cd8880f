"""Epochs of a topic: each time a log is published from its beginning, into a topic made anew, is one. Pure."""

import re
from typing import NamedTuple

from shared.ids import uuid7

_EPOCH = re.compile(rb"\d{1,18}-[0-9a-f-]{36}")


class Mark(NamedTuple):
    """What a consumer remembers of the record at its position: the epoch it came in, and the id of its event."""

    epoch: str = ""
    event: str = ""

    def differs(self, other: "Mark") -> bool:
        """Whether the two are known to be of different epochs."""
        return bool(self.epoch and other.epoch and self.epoch != other.epoch)

    def same_event(self, other: "Mark") -> bool:
        """Whether the two are not known to be different events."""
        return not (self.event and other.event) or self.event == other.event


NO_MARK = Mark()


class Note(NamedTuple):
    """How far a consumer has come, as it is told to Kafka beside the offset."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}@{self.position}"

    @classmethod
    def parse(cls, text: str) -> "Note":
        """What a consumer told; nothing if it is not of ours."""
        epoch, _, position = text.partition("@")
        return cls(epoch, int(position)) if parse_epoch(epoch.encode()) and position.isdigit() else cls("", 0)


def new_epoch(head: int) -> str:
    """The name of an epoch that begins now: the last position of the log, and what makes it unlike any other."""
    return f"{head}-{uuid7()}"


def parse_epoch(content: bytes | None) -> str:
    """The epoch in a header, "" if it is none."""
    return content.decode() if content is not None and _EPOCH.fullmatch(content) else ""


def head_of(epoch: str) -> int:
    """The last position of the log when the epoch began; 0 for no epoch."""
    return int(epoch.partition("-")[0] or 0)
