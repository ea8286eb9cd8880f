"""Serials of customer numbers, handed out inside the transaction that assigns them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from psycopg import Cursor

from services.identity import number_store
from services.identity.numbering.facts import Facts
from services.identity.numbering.rule import canonical
from services.identity.numbering.rulebook import RuleBook
from services.identity.numbering.scheme import Issued, Numbering
from services.identity.streams import number_key
from shared.errors import Conflict, NotFound
from shared.events.identity import NumberAssigned


class UsedUp(Conflict):
    """No rule has a number left for this customer. Fate: rejected; set a rule that has, and ask again."""

    code = "numbers-used-up"
    title = "No numbers left"


class Allocation:
    """The numbers of one transaction that holds the log's lock.

    Serials come back if the transaction does, so none is ever missing. `save` must be called before it ends.
    """

    def __init__(self, cursor: Cursor[Any]) -> None:
        self._cursor = cursor
        self._book: RuleBook | None = None
        self._next: dict[str, int] = {}
        self._changed: set[str] = set()
        self._given: dict[str, number_store.Given] = {}

    @property
    def book(self) -> RuleBook:
        """All rules, read when the first number is asked for."""
        if self._book is None:
            self._book = number_store.rule_book(self._cursor)
        return self._book

    def assign(self, facts: Facts, at: datetime) -> NumberAssigned:
        """The next number of a customer registered at `at`, by the first rule that has one. Raises UsedUp."""
        return self.first_of(self.book.candidates(facts, at), at)

    def first_of(self, candidates: Iterable[tuple[Numbering, tuple[str, ...]]], at: datetime) -> NumberAssigned:
        """The next number of the first of these rules, with what each shows, that has one. Raises UsedUp."""
        for numbering, shown in candidates:
            issued = numbering.next(shown, self.floor(numbering, numbering.scope(shown)))
            if issued is not None:
                self.pass_over(numbering, issued.scope, issued.serial)
                self.count(issued.scope, 1, at)
                return assigned(issued)
        raise UsedUp("no numbering rule has a number for this customer; set rules that end with one for everybody")

    def floor(self, numbering: Numbering, scope: str) -> int:
        """The lowest serial of a scope that nobody was given yet."""
        if scope not in self._next:
            self._next |= {scope: numbering.rule.start, **number_store.counters(self._cursor, [scope])}
        return self._next[scope]

    def pass_over(self, numbering: Numbering, scope: str, serial: int) -> None:
        """From now on serials of this scope are above this one."""
        if serial >= self.floor(numbering, scope):
            self._next[scope] = serial + 1
            self._changed.add(scope)

    def count(self, scope: str, numbers: int, at: datetime) -> None:
        """So many numbers of a scope were given to customers or lease holders at an instant."""
        known = self._given.get(scope)
        self._given[scope] = (
            number_store.Given(numbers, at)
            if known is None
            else number_store.Given(known.count + numbers, min(known.since, at))
        )

    def save(self) -> None:
        """Writes how far the counters are."""
        number_store.put_counters(
            self._cursor, {scope: self._next[scope] for scope in sorted(self._changed)}, self._given
        )
        self._changed.clear()
        self._given.clear()


def assigned(issued: Issued) -> NumberAssigned:
    """The event that gives an issued number to a customer."""
    return NumberAssigned(number=issued.number, rule=issued.rule, serial=issued.serial)


def issuing(book: RuleBook, rule_id: str) -> Numbering:
    """The rule of this id that gives numbers. Raises NotFound (rejected)."""
    numbering = book.rule(rule_id)
    if numbering is None or numbering.rule.use != "issue":
        raise NotFound(f"there is no numbering rule {rule_id} that issues numbers; see custlog numbers rules")
    return numbering


def key_of(number: str) -> str:
    """The reserved key of a number, however its separators are written."""
    return number_key(canonical(number))
