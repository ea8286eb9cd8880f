"""What an account has seen of whom in a time: from what the access log recorded before each answer left. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deploy.trail.question import Question
from deploy.trail.search import Found
from shared.events.access import Exported, PersonalDataRead

COLUMNS = (
    "customer",
    "fields",
    "read_at",
    "operation",
    "channel",
    "purpose",
    "correlation",
    "position",
)


def asked(actor: str, since: datetime, until: datetime) -> Question:
    """The records that tell of it."""
    types = frozenset({PersonalDataRead.TYPE, Exported.TYPE})
    return Question(actor=actor, types=types, since=since, until=until, logs=("access",))


@dataclass(slots=True)
class Exposure:
    """Customer -> the reads that showed fields of theirs, the earliest first; and the files that left."""

    customers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    exports: list[dict[str, Any]] = field(default_factory=list)
    reads: int = 0

    @classmethod
    def of(cls, records: Iterable[Found]) -> Exposure:
        """From the records that `asked` asks for, the oldest first."""
        exposure = cls()
        for place, record in records:
            told = {
                "channel": record.channel,
                "purpose": record.purpose,
                "correlation": record.correlation,
                "position": place.position,
            }
            if record.type == PersonalDataRead.TYPE:
                read = {
                    "fields": list(record.data["fields"]),
                    "read_at": record.recorded_at,
                    "operation": record.data["operation"],
                    **told,
                }
                exposure.customers.setdefault(record.customer, []).append(read)
                exposure.reads += 1
            else:
                exposure.exports.append({"exported_at": record.recorded_at, **record.data, **told})
        return exposure

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each read, grouped by customer."""
        for customer, reads in sorted(self.customers.items()):
            for read in reads:
                yield {"customer": customer, **read}

    def as_json(self) -> dict[str, Any]:
        return {
            "reads": self.reads,
            "customers": [
                {
                    "customer": customer,
                    "fields": fields_of(reads),
                    "first_at": reads[0]["read_at"],
                    "last_at": reads[-1]["read_at"],
                    "reads": reads,
                }
                for customer, reads in sorted(self.customers.items())
            ],
            "exports": self.exports,
        }


def fields_of(reads: Iterable[dict[str, Any]]) -> list[str]:
    """All fields that any of the reads showed."""
    return sorted({name for read in reads for name in read["fields"]})
