"""Small experiments that look at one function or text and must see something else once the bug is planted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeAlias

from psycopg.types.json import Jsonb

from shared.eventlog.commit import Append, Commit
from shared.events.customer import CustomerRegistered, Name
from shared.events.envelope import Actor, Cause, Contract
from shared.ids import derive

Trial: TypeAlias = Callable[[], object]

TRIALS: dict[str, Trial] = {}
"""Plant -> what is looked at; the answers of a planted and of a sound process are compared by their repr."""
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CUSTOMER = derive("trial", "customer")


def looks_at(*plants: str) -> Callable[[Trial], Trial]:
    """Makes a function the experiment of these plants."""

    def register(trial: Trial) -> Trial:
        for plant in plants:
            if plant in TRIALS:
                raise ValueError(f"there are two experiments for {plant}; name one of them otherwise")
            TRIALS[plant] = trial
        return trial

    return register


def at_once(work: Callable[[], Coroutine[Any, Any, object]]) -> Trial:
    """An experiment that needs an event loop."""
    return lambda: asyncio.run(work())


def registered() -> Contract:
    return CustomerRegistered(kind="person", source="crm", external_id="1", name=Name(full="Ada"))


def a_commit(expected: int = 0, command: str = "c") -> Commit:
    cause = Cause(Actor(id="u", kind="user"), "web", "service", derive("command", command), CUSTOMER, CUSTOMER)
    return Commit(
        cause, (Append(f"customer-{CUSTOMER}", CUSTOMER, expected, (registered(),)),), b"digest", {"n": command}
    )


class Notes(list[Any]):
    """What was done in which order: every call of `note(name)` adds the name."""

    def note(self, name: object, answer: object = None) -> Callable[..., Any]:
        def call(*_: Any, **__: Any) -> object:
            self.append(name)
            return answer

        return call

    def anote(self, name: object, answer: object = None) -> Callable[..., Any]:
        async def call(*_: Any, **__: Any) -> object:
            self.append(name)
            return answer

        return call


class Cursor:
    """Takes statements down, answers given rows, and is its own connection."""

    def __init__(self, *rows: Any) -> None:
        self.told: list[Any] = []
        self.rows = list(rows)
        self.rowcount = 1
        self.connection = SimpleNamespace(
            cursor=lambda **_: contextmanager(lambda: iter((self,)))(), transaction=_nothing
        )

    def execute(self, statement: object, parameters: object = None, **_: Any) -> Cursor:
        self.told.append((str(statement), _plain(parameters)))
        return self

    def fetchall(self) -> list[Any]:
        return self.rows

    def fetchone(self) -> Any:
        return self.rows[0] if self.rows else None


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _plain(parameters: Any) -> object:
    if isinstance(parameters, tuple | list):
        return [part.obj if isinstance(part, Jsonb) else part for part in parameters]
    return parameters


def of(kind: type[Any], **attributes: Any) -> Any:
    """An instance of a class without its __init__, with these attributes."""
    made: Any = object.__new__(kind)
    for name, content in attributes.items():
        object.__setattr__(made, name, content)
    return made
