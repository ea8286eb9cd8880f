"""I1: what was acknowledged is in the log exactly once, what was refused is not, what is unknown is whole or absent."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from shared.events.envelope import Recorded
from shared.events.identity import Asserted
from tests.faults.checker import imports
from tests.faults.checker.content import differing
from tests.faults.checker.evidence import IMPORT, Attempt, Evidence, Outcome
from tests.faults.checker.finding import Finding, together

ALWAYS = frozenset({"orders", "tickets", "interactions", "reminders", "separations"})
"""First or last words of the addresses whose commands always lead to an event when they are taken."""


@dataclass(frozen=True, slots=True)
class Command:
    """All attempts under one command id, and what the log holds of it."""

    id: str
    log: str
    attempts: Sequence[Attempt]
    events: Sequence[Recorded]
    erased: bool = False
    """Whether its customer is erased, so that sealed fields say nothing any more."""

    def with_outcome(self, outcome: Outcome) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.outcome == outcome]

    def __str__(self) -> str:
        return f"command {self.id} ({self.attempts[0].op}, n {self.attempts[0].n})"


class Streams:
    """The events of one log by command and by stream."""

    def __init__(self, events: Sequence[Recorded]) -> None:
        self.by_command: dict[str, list[Recorded]] = defaultdict(list)
        self.by_stream: dict[str, list[Recorded]] = defaultdict(list)
        for event in events:
            self.by_command[event.command].append(event)
            self.by_stream[event.stream].append(event)
        for stream in self.by_stream.values():
            stream.sort(key=lambda event: event.seq)

    def up_to(self, stream: str, seq: int) -> list[Recorded]:
        """The events of a stream up to a version."""
        events = self.by_stream.get(stream, [])
        return events[: bisect.bisect_right(events, seq, key=lambda event: event.seq)]


def judge(evidence: Evidence) -> Finding:
    """Every command of the history, and every row of its imports."""
    return together(_judge_commands(evidence), imports.judge(evidence))


def _judge_commands(evidence: Evidence) -> Finding:
    violations: list[str] = []
    counts: Counter[str] = Counter()
    streams = {log: Streams(evidence.events(log)) for log in evidence.logs}
    for command in _commands(evidence, streams):
        kind, found = _judge(command, evidence, streams[command.log])
        counts[kind] += 1
        violations.extend(found)
    return Finding(sum(counts.values()), violations, figures=dict(counts))


def _commands(evidence: Evidence, streams: Mapping[str, Streams]) -> Iterator[Command]:
    lost, erased = evidence.lost_between(), evidence.erased()
    by_id: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in evidence.attempts:
        if attempt.op != IMPORT and attempt.service in streams:
            by_id[attempt.service, attempt.command].append(_as_lost(attempt, lost))
    for (log, command), attempts in by_id.items():
        attempts.sort(key=lambda attempt: attempt.at)
        events = streams[log].by_command.get(command, [])
        about = {event.customer for event in events} | {word for one in attempts for word in one.path.split("/")}
        yield Command(command, log, attempts, events, not erased.isdisjoint(about))


def _as_lost(attempt: Attempt, lost: tuple[float, float] | None) -> Attempt:
    """What was answered between a backup and its restoration may be gone: its outcome is as good as unknown."""
    at = attempt.answered_at
    if lost is None or at is None or attempt.outcome != "ok" or not lost[0] <= at <= lost[1]:
        return attempt
    return replace(attempt, outcome="info", status=-1)


def _judge(command: Command, evidence: Evidence, streams: Streams) -> tuple[str, list[str]]:
    acknowledged = command.with_outcome("ok")
    unknown = command.with_outcome("info")
    found = _wholeness(command)
    if acknowledged:
        found += _answers(command, acknowledged)
        found += _stored(command, acknowledged[0], evidence, streams)
        return "acknowledged", found
    if unknown:
        if command.events:
            found += _content(command, _body_of(command, unknown), streams)
        lost = not command.events and any(attempt.status == -1 for attempt in unknown)
        return "lost_by_restore" if lost else "unknown", found
    if command.events:
        found.append(f"{command} was refused, yet the log holds {_places(command.events)}.")
    return "refused", found


def _answers(command: Command, acknowledged: Sequence[Attempt]) -> list[str]:
    """Repeats get the first answer again; another body never does, and a known command is never refused."""
    first, found = acknowledged[0], []
    for other in acknowledged[1:]:
        if _told(other) != _told(first):
            found.append(f"{command} got another answer when it was repeated (n {other.n}, attempt {other.attempt}).")
        if _asked(other) != _asked(first):
            found.append(f"{command} was acknowledged again for another body (n {other.n}).")
    since = min(attempt.answered_at or 0.0 for attempt in acknowledged)
    found.extend(
        f"{command} was acknowledged, and refused with {other.status} when it was repeated (n {other.n})."
        for other in command.with_outcome("fail")
        if other.at > since and _asked(other) == _asked(first) and other.status in (404, 409, 412, 422)
    )
    return found


def _wholeness(command: Command) -> list[str]:
    """All events of a command stand in one stream, one after another, and were written at once."""
    events = command.events
    if not events:
        return []
    places = [(event.stream, event.seq) for event in events]
    stream, first = places[0]
    if places != [(stream, first + n) for n in range(len(places))] or len({e.recorded_at for e in events}) > 1:
        return [f"{command} was carried out more than once or in parts: {_places(events)}."]
    return []


def _stored(command: Command, first: Attempt, evidence: Evidence, streams: Streams) -> list[str]:
    remembered = evidence.remembered.get(command.log, {})
    if command.id not in remembered:
        return [f"{command} was acknowledged, but its answer is not remembered."]
    if remembered[command.id] != first.answer:
        return [f"{command} was answered with something else than what is remembered of it."]
    if not command.events and _must_store(first):
        return [f"{command} was acknowledged, but the {command.log} log holds nothing of it."]
    last = command.events[-1] if command.events else None
    answer = first.answer if isinstance(first.answer, dict) else {}
    if last is not None and "version" in answer and last.seq != answer["version"]:
        return [f"{command} was answered with version {answer['version']}, its last event is {_places([last])}."]
    if last is not None and "id" in answer and not last.stream.endswith(answer["id"]):
        return [f"{command} was answered with another id than that of its stream: {_places([last])}."]
    return _overtaken(command, first) or _content(command, first, streams)


def _overtaken(command: Command, first: Attempt) -> list[str]:
    """A change of the version that its sender had seen rests on that version and no other: no update is lost."""
    seen = first.expect
    if seen is None:
        return []
    if command.events:
        rests_on = command.events[0].seq - 1
    else:
        rests_on = first.answer.get("version", seen) if isinstance(first.answer, dict) else seen
    if rests_on == seen:
        return []
    return [f"{command} was to change version {seen}, was acknowledged, and rests on version {rests_on}."]


def _must_store(attempt: Attempt) -> bool:
    if isinstance(attempt.answer, dict) and "changed" in attempt.answer:
        return bool(attempt.answer["changed"])
    words = attempt.path.strip("/").split("/")
    return words == ["customers"] or words[0] in ALWAYS or words[-1] in ALWAYS


def _content(command: Command, attempt: Attempt, streams: Streams) -> list[str]:
    earlier = [] if command.log == "identity" else _earlier(command, attempt, streams)
    wrong = unlike(command, attempt.body, earlier)
    return [f"{command}: {', '.join(wrong)} in the log is not what was sent."] if wrong else []


def unlike(command: Command, body: Any, earlier: Sequence[Recorded] = ()) -> list[str]:
    """The names of the body's fields that the log does not say in the same way.

    What was said of two customers stands in an assertion; what it ends, and what follows for others, stands beside it.
    """
    if command.log != "identity" or not command.events:
        return differing(body, command.events, earlier, erased=command.erased)
    said = [event.data for event in command.events if isinstance(event.data, Asserted)]
    if not said or not isinstance(body, Mapping):
        return differing(body, command.events[:1], erased=command.erased)
    named = [one for one in said if {body.get("a"), body.get("b")} <= {one.a, *one.others}]
    if not named:
        return ["a", "b"]
    return [] if any(one.reason == body.get("reason") for one in named) else ["reason"]


def _earlier(command: Command, attempt: Attempt, streams: Streams) -> list[Recorded]:
    if command.events:
        return streams.up_to(command.events[0].stream, command.events[0].seq - 1)
    answer = attempt.answer if isinstance(attempt.answer, dict) else {}
    for kind in ("customer", "order", "ticket", "interaction", "reminder"):
        if found := streams.up_to(f"{kind}-{answer.get('id')}", int(answer.get("version", 0))):
            return found
    return []


def _body_of(command: Command, unknown: Sequence[Attempt]) -> Attempt:
    """Which of several bodies under one key it was: the one that fits, for any may have been first."""
    return next(
        (one for one in unknown if not unlike(command, one.body)),
        unknown[0],
    )


def _told(attempt: Attempt) -> Any:
    return attempt.status, attempt.answer


def _asked(attempt: Attempt) -> bytes:
    return orjson.dumps([attempt.path, attempt.body], option=orjson.OPT_SORT_KEYS)


def _places(events: Sequence[Recorded]) -> str:
    return ", ".join(f"{event.stream} {event.seq} at {event.log} {event.position}" for event in events[:6])
