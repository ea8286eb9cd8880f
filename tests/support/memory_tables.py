"""Tables in memory with the transactions of a database: what a stand-in for a server keeps its rows in.

A table is a dict of immutable rows, so a copy of the dicts is a snapshot, and going back to it is a rollback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

At: TypeAlias = Callable[[str], None]
"""Called with the name of a step at which a process may die: "before commit", "after commit"."""


def nothing(_: str) -> None:
    """Nobody dies here."""


class Died(BaseException):
    """What a test raises from `at`: nothing of the process runs any more."""


class Tables:
    """All tables of one database. It is its own cursor and connection: there is one owner at a time.

    What a test raises from `at` before a commit undoes the transaction; after it, it only hides that it was done.
    """

    def __init__(self, at: At = nothing) -> None:
        self._tables: dict[str, dict[Any, Any]] = {}
        self._at = at
        self._depth = 0

    def __getitem__(self, name: str) -> dict[Any, Any]:
        return self._tables.setdefault(name, {})

    @property
    def connection(self) -> Tables:
        """A cursor's connection, on which a savepoint is a transaction within one."""
        return self

    def execute(self, statement: Any, *_: Any) -> None:
        """Takes the log's lock, which nobody else can hold. Any other statement needs a real database."""
        if "pg_advisory_xact_lock" not in statement:
            raise NotImplementedError(f"a stand-in does not know the statement {statement}")

    @contextmanager
    def transaction(self) -> Iterator[Tables]:
        """All of what is written inside, or nothing of it."""
        before = {name: dict(table) for name, table in self._tables.items()}
        self._depth += 1
        try:
            yield self
            if self._depth == 1:
                self._at("before commit")
        except BaseException:
            self._tables = before
            raise
        finally:
            self._depth -= 1
        if self._depth == 0:
            self._at("after commit")
