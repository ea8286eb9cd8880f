"""The files of a run: what the load asked and was told, what went wrong on purpose, what the processes held."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import orjson

from tests.faults.checker.evidence import Attempt, Fault, Json, Outcome


def read_json(path: Path) -> Json:
    """A file of one object; nothing if it is missing."""
    return cast("Json", orjson.loads(path.read_bytes())) if path.exists() else {}


def attempts(lines: list[Json]) -> list[Attempt]:
    """Every call with its outcome; one that was never answered is unknown."""
    asked: dict[tuple[int, int], Json] = {}
    answered: dict[tuple[int, int], Json] = {}
    for line in lines:
        if line["event"] == "invoke":
            asked[line["n"], line["attempt"]] = line
        elif line["event"] in ("ok", "fail", "info"):
            answered[line["n"], line["attempt"]] = line
    return [_attempt(line, answered.get(place, {})) for place, line in asked.items()]


def _attempt(asked: Json, told: Json) -> Attempt:
    outcome: Outcome = told.get("event", "info")
    return Attempt(
        n=asked["n"],
        attempt=asked["attempt"],
        at=asked["at"],
        op=asked["op"],
        service=asked["service"],
        user=asked["user"],
        key=asked["key"],
        command=asked["command"],
        path=asked["path"],
        body=asked["body"],
        expect=asked.get("expect"),
        outcome=outcome,
        answered_at=told.get("at"),
        status=told.get("status"),
        answer=told.get("answer"),
        replayed=bool(told.get("replayed")),
        rows=told.get("rows") or (),
    )


def faults(lines: list[Json]) -> list[Fault]:
    """Every fault by the last that was noted of it."""
    found: dict[int, Fault] = {}
    for line in lines:
        evidence: dict[str, Any] = line.get("evidence") or {}
        found[line["n"]] = Fault(line["n"], line["at"], line["kind"], str(line.get("target")), line["event"], evidence)
    return list(found.values())
