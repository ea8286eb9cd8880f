"""What the sender of a file asks for, and what comes back: an answer per row and a summary."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson

from services.customer.application import Context
from services.customer.domain.command import invalid
from shared.errors import FieldError
from shared.events.envelope import Actor
from shared.ids import derive, uuid7

Format = Literal["csv", "ndjson"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file as its sender hands it over. `key` is the Idempotency-Key, `run` the cause that its events name."""

    source: str
    format: Format
    actor: Actor
    channel: str
    purpose: str
    correlation: str
    key: str | None = None
    dry_run: bool = False
    run: str = field(default_factory=uuid7)

    def context(self, row: int, external_id: str | None) -> Context:
        """The context of one row. Its command id is the same when the same row is sent again.

        Raises Invalid for a row that could not be recognised then.
        """
        if self.key is not None:
            command = derive("intake", self.actor.id, self.source, self.key, str(row))
        elif external_id is not None:
            command = derive("intake", self.source, external_id)
        else:
            raise invalid("external_id", "Without an Idempotency-Key every row needs one.")
        return Context(self.actor, self.channel, self.purpose, self.correlation, command, self.run)


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to one row."""

    row: int
    status: int
    id: str | None = None
    version: int | None = None
    errors: Sequence[FieldError] = ()

    def line(self) -> bytes:
        """The answer as one line of NDJSON."""
        answer: dict[str, Any] = {"row": self.row, "status": self.status}
        if self.id is not None:
            answer["id"] = self.id
        if self.version is not None:
            answer["version"] = self.version
        if self.errors:
            answer["errors"] = self.errors
        return orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(slots=True)
class Summary:
    """What became of the whole file: every row was created, repeated or refused.

    `unavailable` counts those of the refused that were refused with 503 and may be sent again; `stopped` says why the
    rest of the file was not read.
    """

    rows: int = 0
    created: int = 0
    repeated: int = 0
    refused: int = 0
    unavailable: int = 0
    dry_run: bool = False
    stopped: str | None = None

    def add(self, answers: Sequence[Answered]) -> None:
        """Adds a group's answers."""
        statuses = [answer.status for answer in answers]
        created, repeated = statuses.count(201), statuses.count(200)
        self.rows += len(statuses)
        self.created += created
        self.repeated += repeated
        self.refused += len(statuses) - created - repeated
        self.unavailable += statuses.count(503)

    def line(self) -> bytes:
        """The summary as one line of NDJSON."""
        told = {name: value for name, value in asdict(self).items() if value is not None}
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
