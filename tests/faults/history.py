"""What the load asked and what it was told: the writer of history.jsonl, and its reader for those who judge.

A command may have several attempts under one Idempotency-Key: a retry after an unknown outcome, a deliberate repeat
after a known one. A deliberate reuse of its key for other content is a command of its own, `reuse_of` the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import orjson

from shared.ids import derive

Outcome: TypeAlias = Literal["ok", "refused", "unknown"]
"""ok: it was done, and its answer is known. refused: nothing was stored. unknown: it was done wholly or not at all."""
Json: TypeAlias = Mapping[str, Any]
UNAVAILABLE = 503


class Sink(Protocol):
    """Takes one line after another; a line that was taken survives the end of this process."""

    def write(self, line: Json, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the history. `now` tells the seconds since the run began."""

    sink: Sink
    now: Callable[[], float]

    def invoke(self, n: int, attempt: int, about: Json) -> float:
        """Before the call: everything that is asked. Answers the instant."""
        return self._write(n, attempt, "invoke", about)

    def ok(self, n: int, attempt: int, status: int, answer: Any, *, replayed: bool, rows: Sequence[Json] = ()) -> float:
        """It was done. `replayed`: an earlier attempt was answered so already. `rows` are an import's answers."""
        told = {"status": status, "answer": answer, "replayed": replayed, **({"rows": rows} if rows else {})}
        return self._write(n, attempt, "ok", told)

    def fail(self, n: int, attempt: int, status: int, code: str) -> float:
        """It was refused, for this reason."""
        return self._write(n, attempt, "fail", {"status": status, "code": code})

    def info(self, n: int, attempt: int, status: int | None, why: str, rows: Sequence[Json] = ()) -> float:
        """Nobody knows what became of it but for the `rows` that were answered."""
        return self._write(n, attempt, "info", {"status": status, "why": why, **({"rows": rows} if rows else {})})

    def dropped(self) -> None:
        """An arrival that was not sent, because too many calls were in flight."""
        self.sink.write({"at": self.now(), "event": "dropped"})

    def _write(self, n: int, attempt: int, event: str, told: Json) -> float:
        at = self.now()
        self.sink.write({"n": n, "attempt": attempt, "at": at, "event": event, **told})
        return at


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call. `event` is None where the run ended before any answer; `rows` are those that were answered."""

    number: int
    invoked: float
    repeat: bool = False
    ended: float | None = None
    event: Literal["ok", "fail", "info"] | None = None
    status: int | None = None
    code: str | None = None
    why: str | None = None
    answer: Any = None
    replayed: bool = False
    rows: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row of an import; `statuses` of all its attempts that were answered."""

    row: int
    command: str
    outcome: Outcome
    id: str | None
    statuses: tuple[int, ...]


@dataclass(slots=True)
class Command:
    """One command with its attempts. `command` is the id that its events carry (for an import, see `imported`)."""

    n: int
    op: str
    service: str
    user: str
    key: str
    command: str
    method: str
    path: str
    body: Json | None
    customer: str | None
    expect: int | None
    reuse_of: int | None = None
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """By all attempts together.

        A refusal after an attempt that nobody heard of proves little: that attempt may still be under way in a service
        that stands still, and be taken later.
        """
        events = [attempt.event for attempt in self.attempts]
        if "ok" in events:
            return "ok"
        return "refused" if set(events) == {"fail"} else "unknown"

    @property
    def answers(self) -> list[Any]:
        """Every good answer; they must all be equal."""
        return [attempt.answer for attempt in self.attempts if attempt.event == "ok"]

    @property
    def answer(self) -> Any:
        """The first good answer, None without."""
        return next(iter(self.answers), None)

    @property
    def status(self) -> int | None:
        """Of the last attempt that had one."""
        return next((attempt.status for attempt in reversed(self.attempts) if attempt.status is not None), None)

    @property
    def invoked(self) -> float:
        """When it was first sent."""
        return self.attempts[0].invoked

    @property
    def ended(self) -> float | None:
        """When its outcome was first known, None if it never was."""
        known = (a.ended for a in self.attempts if a.event == "ok" or (a.event == "fail" and self.outcome == "refused"))
        return next(known, None)

    @property
    def source(self) -> str:
        """Of an import: where its rows come from."""
        return str((self.body or {}).get("source", ""))

    def imported(self) -> list[Row]:
        """Of an import: every row that was sent, with the command id that its event carries. Else nothing."""
        if self.op != "import":
            return []
        count = len((self.body or {}).get("rows", ()))
        return [self._row(row) for row in range(1, count + 1)]

    def _row(self, row: int) -> Row:
        told = [[answer for answer in attempt.rows if answer["row"] == row] for attempt in self.attempts]
        answers = [answer for of_attempt in told for answer in of_attempt]
        statuses = tuple(answer["status"] for answer in answers)
        taken = next((answer for answer in answers if answer["status"] < 400), None)
        whole_file_refused = [attempt.event == "fail" for attempt in self.attempts]
        if taken is not None:
            outcome: Outcome = "ok"
        elif all(
            refused or (of_attempt and all(400 <= a["status"] < 500 for a in of_attempt))
            for refused, of_attempt in zip(whole_file_refused, told, strict=True)
        ):
            outcome = "refused"
        else:
            outcome = "unknown"
        command = derive("intake", self.user, self.source, self.key, str(row))
        return Row(row, command, outcome, taken.get("id") if taken else None, statuses)


@dataclass(frozen=True, slots=True)
class History:
    """A whole run by command number; `dropped` arrivals were never sent."""

    commands: Mapping[int, Command]
    dropped: int

    def __iter__(self) -> Iterator[Command]:
        return iter(self.commands.values())


def read(path: Path) -> History:
    """The history in this file. A torn last line is left out; ValueError for any other line that is no history."""
    commands: dict[int, Command] = {}
    dropped = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                told = orjson.loads(line)
                if told["event"] == "dropped":
                    dropped += 1
                else:
                    _take(commands, told)
            except (KeyError, TypeError, StopIteration, orjson.JSONDecodeError) as error:
                raise ValueError(
                    f"line {number} of {path.name} is no history: {type(error).__name__} {error}"
                ) from None
    return History(commands, dropped)


_ABOUT = ("n", "op", "service", "user", "key", "command", "method", "path", "body", "customer", "expect")


def _take(commands: dict[int, Command], told: Json) -> None:
    n, number = told["n"], told["attempt"]
    if told["event"] == "invoke":
        if n not in commands:
            commands[n] = Command(**{name: told[name] for name in _ABOUT}, reuse_of=told.get("reuse_of"))
        commands[n].attempts.append(Attempt(number, told["at"], told.get("repeat", False)))
        return
    attempts = commands[n].attempts
    at = next(at for at, attempt in enumerate(attempts) if attempt.number == number)
    begun = attempts[at]
    attempts[at] = Attempt(
        number,
        begun.invoked,
        begun.repeat,
        told["at"],
        told["event"],
        told.get("status"),
        told.get("code"),
        told.get("why"),
        told.get("answer"),
        told.get("replayed", False),
        tuple(told.get("rows", ())),
    )
