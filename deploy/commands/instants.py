"""Instants as options of commands."""

from datetime import UTC, datetime
from typing import overload

from deploy.embedded.errors import EmbeddedError


@overload
def instant(text: str, option: str) -> datetime: ...
@overload
def instant(text: str | None, option: str) -> datetime | None: ...
def instant(text: str | None, option: str) -> datetime | None:
    """The instant that an option names; without an offset it is UTC. EmbeddedError if it is none."""
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise EmbeddedError(f"{option} {text!r} is no instant; write it as 2026-11-22T09:00:00Z.") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
