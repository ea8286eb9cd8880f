"""What every event has in common: contracts, levels, erasure, and the record that carries them.

A contract is the one representation of an event. What `decide` returns is what is stored, published, hashed,
replayed and documented; there is no second model to map to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from shared.access.levels import Level

T = TypeVar("T")


class Value(BaseModel):
    """A value inside an event (a name, an address); frozen, no unknown fields, no NUL."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Erased(Value):
    """What a sealed field decodes to once its subject's key is destroyed: a normal value, never an error."""

    erased: Literal[True] = True


ERASED = Erased()

General = Annotated[T, Level.GENERAL]
Business = Annotated[T, Level.BUSINESS]
Sensitive = Annotated[T | Erased, Level.SENSITIVE]
Core = Annotated[T | Erased, Level.CORE]


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """The aware time that `instant` wrote."""
    return datetime.fromisoformat(text)


def aware(value: datetime) -> datetime:
    """The same in UTC. ValueError without a zone, or out of the years that `instant` writes in the order of time."""
    if value.tzinfo is None:
        raise ValueError("a time needs its offset, e.g. 2026-11-22T09:00:00Z")
    # Earlier years are not written with four digits; next to the last one not every offset can be taken off.
    if not 1000 <= value.year <= 9998 or not 1000 <= (utc := value.astimezone(UTC)).year <= 9998:
        raise ValueError("a time must be in the years 1000 to 9998")
    return utc


Instant = Annotated[datetime, AfterValidator(aware), PlainSerializer(instant, return_type=str, when_used="json")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000, strip_whitespace=True)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
Decimal = Annotated[str, StringConstraints(pattern=r"^-?(0|[1-9]\d{0,14})(\.\d{1,6})?$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Contract(BaseModel):
    """One version of one event's data.

    Subclasses set TYPE (a dotted past fact) and VERSION, and give every field a level; a field without one
    fails at import. Sensitive and core fields are sealed with their subject's key. A stored version never
    changes its fields: a new shape is a new class with VERSION + 1 and an upcaster (shared/events/catalogue.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1
    LEVELS: ClassVar[Mapping[str, Level]] = {}
    SEALED: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        levels = {name: _level(cls, name, field.metadata) for name, field in cls.model_fields.items()}
        cls.LEVELS = levels
        cls.SEALED = frozenset(name for name, level in levels.items() if level.sealed)

    @classmethod
    def stored_type(cls) -> str:
        """The name under which the log stores it, e.g. `customer.registered.v1`."""
        return f"{cls.TYPE}.v{cls.VERSION}"


def _level(cls: type[Contract], name: str, metadata: list[Any]) -> Level:
    levels = [item for item in metadata if isinstance(item, Level)]
    if len(levels) != 1:
        raise TypeError(
            f"{cls.__name__}.{name} has {len(levels)} levels: write it as General[...], Business[...], "
            "Sensitive[...] or Core[...] (shared/events/envelope.py)"
        )
    return levels[0]


class Actor(Value):
    """Who did it. `id` is an account, never a person's name."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    kind: Literal["user", "service", "import", "rule"]


class SealedPart(msgspec.Struct, frozen=True, gc=False):
    """The sealed fields of one event that belong to one subject, as they are stored.

    `key` names the version of the subject's data key, `fields` the fields inside, `ct` is base64 of AES-256-GCM. A
    record that was blanked has no `ct`; its leaf in the audit tree is the same.
    """

    key: str
    nonce: str
    ct: str = ""
    fields: tuple[str, ...] = ()


class Cause(msgspec.Struct, frozen=True):
    """Why an event exists: who, through what, for which purpose, and what it follows from."""

    actor: Actor
    channel: str
    purpose: str
    command: str
    correlation: str
    causation: str
    depth: int = 0


class Recorded(msgspec.Struct, frozen=True):
    """One event as it stands in a log: the envelope and its data, upcast to the newest version.

    Times are text as `instant` writes it. `customer` is the customer the fact is about and the Kafka key.
    `position` is the gapless index in the log, None where the reader did not come through the log or Kafka.
    """

    id: str
    type: str
    version: int
    log: str
    stream: str
    seq: int
    recorded_at: str
    occurred_at: str
    actor: Actor
    channel: str
    purpose: str
    command: str
    correlation: str
    causation: str
    depth: int
    customer: str
    data: Contract
    sealed: Mapping[str, SealedPart]
    position: int | None = None
