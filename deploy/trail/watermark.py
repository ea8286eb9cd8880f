"""Which export a file comes from: by the watermark in it, or by the file's own SHA-256 where it can carry none."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

from deploy.embedded.errors import EmbeddedError
from deploy.trail.question import Question
from deploy.trail.search import Found, Search
from shared.events.access import Exported
from shared.ids import timestamp_of

_EXPORTS = frozenset({Exported.TYPE})
_SKEW = timedelta(days=2)
"""A watermark carries the time of the machine that made it, a record that of the machine that stored it."""


def seal_of(content: bytes) -> str:
    """How the reason of an export names a file that carries no watermark."""
    return f"sha256={hashlib.sha256(content).hexdigest()}"


def by_watermark(search: Search, watermark: str) -> list[Found]:
    """The export with this watermark; none if no such file was recorded. EmbeddedError if it is no watermark."""
    try:
        made = timestamp_of(watermark)
    except ValueError:
        raise EmbeddedError(
            f"{watermark!r} is no watermark; it is the id that every row of an export carries."
        ) from None
    question = Question(types=_EXPORTS, since=made - _SKEW, until=made + _SKEW, logs=("access",))
    return [found for found in _exports(search, question) if found.record.data.get("watermark") == watermark]


def by_file(search: Search, file: Path) -> list[Found]:
    """Every export of exactly this file. EmbeddedError if it cannot be read."""
    try:
        seal = seal_of(file.read_bytes())
    except OSError as error:
        raise EmbeddedError(f"{file} cannot be read: {error.strerror}.") from None
    question = Question(types=_EXPORTS, logs=("access",))
    return [found for found in _exports(search, question) if seal in str(found.record.data.get("reason"))]


def _exports(search: Search, question: Question) -> list[Found]:
    return list(search.records(search.places(question), question))
