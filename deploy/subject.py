"""Everything that is held about one person, as files: for the person, and for a system that takes the person over."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from deploy.following import take_along
from deploy.replay import Life, event_json
from shared.events.envelope import Erased, Recorded, instant

WHOLE = "person.json"
VALUES = "values.csv"
ACCESSES = "accesses.csv"
INTAKE = "intake/"
FOLLOWING = "following.ndjson"
_VALUES = ("customer", "source", "type", "field", "value", "level", "occurred_at", "recorded_at", "by", "event")
_ACCESSES = ("at", "customer", "what", "account", "channel", "purpose", "operation", "fields")
_STYLE = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True, slots=True)
class Held:
    """What is held about a person: the events about all customers who are that person, and who saw them.

    `others` has source and external id of the customers that theirs relate to.
    """

    life: Life
    members: tuple[str, ...]
    accesses: tuple[Recorded, ...]
    others: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def values(self) -> list[dict[str, Any]]:
        """Every value that was ever told about the person, where it came from and when; the oldest first."""
        sources = {e.customer: getattr(e.data, "source", "") for e in self.life.events if e.type.endswith("registered")}
        return [
            {
                "customer": event.customer,
                "source": sources.get(event.customer, ""),
                "type": event.type,
                "field": field,
                "value": value,
                "level": str(event.data.LEVELS[field]),
                "occurred_at": event.occurred_at,
                "recorded_at": event.recorded_at,
                "by": f"{event.actor.kind}:{event.actor.id}",
                "event": event.id,
            }
            for event in self._events()
            for field, value in _fields(event)
        ]

    def seen(self) -> list[dict[str, Any]]:
        """Who read or exported something about the person, the earliest first."""
        return [
            {
                "at": event.recorded_at,
                "customer": event.customer,
                "what": event.type,
                "account": f"{event.actor.kind}:{event.actor.id}",
                "channel": event.channel,
                "purpose": event.purpose,
                "operation": getattr(event.data, "operation", getattr(event.data, "what", "")),
                "fields": list(getattr(event.data, "fields", ())),
            }
            for event in self.accesses
        ]

    def _events(self) -> Iterator[Recorded]:
        """The events, without customers who are somebody else."""
        for event in self.life.events:
            moves = getattr(event.data, "moves", None)
            if moves is None:
                yield event
            else:
                ours = tuple(move for move in moves if move.customer in self.members)
                yield _with(event, moves=ours)

    def files(self, watermark: str, now: datetime) -> dict[str, bytes]:
        """The files of the export by their names. `watermark` is the id under which it was recorded."""
        life = self.life.as_json()
        whole = {
            **life,
            "watermark": watermark,
            "exported_at": instant(now),
            "customers": self.members,
            "values": self.values(),
            "events": [event_json(event) for event in self._events()],
            "accesses": self.seen(),
        }
        rows, following = take_along(self.life.events, self.members, self.others)
        return {
            WHOLE: orjson.dumps(whole, option=_STYLE),
            VALUES: _csv(_VALUES, self.values()),
            ACCESSES: _csv(_ACCESSES, self.seen()),
            **{f"{INTAKE}{source}.ndjson": b"".join(map(_line, lines)) for source, lines in sorted(rows.items())},
            **({FOLLOWING: b"".join(map(_line, following))} if following else {}),
        }


def pack(files: Mapping[str, bytes]) -> bytes:
    """The files as one ZIP."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def intake_files(packed: bytes) -> dict[str, bytes]:
    """Source -> the intake file that an export holds of it. Raises BadZipFile or ValueError for another file."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = [name for name in archive.namelist() if name.startswith(INTAKE) and name.endswith(".ndjson")]
        if not names:
            raise ValueError("it holds no rows to import")
        return {name.removeprefix(INTAKE).removesuffix(".ndjson"): archive.read(name) for name in names}


def following(packed: bytes) -> list[dict[str, Any]]:
    """The requests that follow the rows of an export. ValueError if they cannot be read."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        if FOLLOWING not in archive.namelist():
            return []
        return [orjson.loads(line) for line in archive.read(FOLLOWING).splitlines()]


def watermark_of(packed: bytes) -> str:
    """The id under which an export was recorded."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return str(orjson.loads(archive.read(WHOLE))["watermark"])


def _with(event: Recorded, **changes: Any) -> Recorded:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return Recorded(**{**fields, "data": event.data.model_copy(update=changes)})


def _fields(event: Recorded) -> Iterator[tuple[str, Any]]:
    told = event.data.model_dump(mode="json")
    for name in event.data.LEVELS:
        if isinstance(getattr(event.data, name), Erased):
            yield name, "erased"
        elif told[name] not in (None, [], {}):
            yield name, told[name]


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({name: _cell(row[name]) for name in columns} for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _line(row: Mapping[str, Any]) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
