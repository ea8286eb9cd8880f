"""Numbering rules: looked at, set, and how far their scopes are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from services.identity import number_store
from services.identity.issuing.commands import CheckRules, SetRules
from services.identity.issuing.streams import appended, cause_for, stream_about
from services.identity.numbering.capacity import Capacity, capacity, unreserved
from services.identity.numbering.lint import Finding, errors, lint
from services.identity.numbering.rule import canonical
from services.identity.numbering.rulebook import RuleBook, RuleSet
from services.identity.numbering.scheme import Numbering
from shared.clock import Clock
from shared.errors import CustlogError, FieldError, Invalid
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Log, Transaction
from shared.events.envelope import Cause, instant
from shared.events.numbering import NumberingRulesSet

R = TypeVar("R")
RULES_STREAM, RULES_ID = stream_about("rules")


class Rules:
    """Every call raises Unavailable (retry)."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def shown(self) -> Mapping[str, Any]:
        """Every set that was ever in force or will be, the built-in one first, and which is in force now."""

        def work(tx: Transaction, now: datetime) -> dict[str, Any]:
            book = number_store.rule_book(tx.cursor)
            return {"in_force": book.in_force(now).version, "sets": [_set_json(found) for found in book.sets]}

        return await self._ask(work)

    async def check(self, command: CheckRules) -> list[Finding]:
        """What is wrong with rules, as the set that would come next."""
        return await self._ask(lambda tx, _: _findings(tx, number_store.rule_book(tx.cursor), command))

    async def set(self, command: SetRules, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Sets rules for registrations to come. Raises Invalid with what the linter finds, CommandReused."""

        def work() -> Mapping[str, Any]:
            with self._log.transaction() as tx:
                tx.lock()
                known = tx.recall(cause.command, digest)
                if known is not None:
                    if isinstance(known, CustlogError):
                        raise known
                    return known.result
                return _set(tx, command, cause, digest, self._clock.now())

        return await self._log.in_thread(work)

    async def capacities(self) -> list[Capacity]:
        """How far every scope is. Its rate is that of the numbers given since its first."""

        def work(tx: Transaction, now: datetime) -> list[Capacity]:
            book = number_store.rule_book(tx.cursor)
            found = []
            for scope, counter in number_store.all_counters(tx.cursor).items():
                rule_id = scope.partition("/")[0] if "/" in scope else book.sets[0].rules[0].rule.id
                numbering = book.rule(rule_id)
                if numbering is not None:
                    given, since = _given(tx, book, numbering, counter)
                    found.append(capacity(numbering, scope, counter.next, given=given, since=since, now=now))
            return found

        return await self._ask(work)

    async def _ask(self, question: Callable[[Transaction, datetime], R]) -> R:
        def run() -> R:
            with self._log.transaction() as tx:
                return question(tx, self._clock.now())

        return await self._log.in_thread(run)


def _given(
    tx: Transaction, book: RuleBook, numbering: Numbering, counter: number_store.Counter
) -> tuple[int, datetime | None]:
    """What a scope gave, and since when. Of a counter of an older build, what it may have given at the most."""
    if counter.given is not None:
        return counter.given, counter.since
    first = number_store.began(tx.cursor)
    in_force = book.since(numbering.rule.id)
    return unreserved(numbering, numbering.rule.start, counter.next - 1), max(first, in_force) if first else in_force


def _set(tx: Transaction, command: SetRules, cause: Cause, digest: bytes, now: datetime) -> Mapping[str, Any]:
    book = number_store.rule_book(tx.cursor)
    starts = command.effective_from or now
    wrong: list[FieldError] = []
    if starts < now:
        wrong.append({"field": "effective_from", "message": "is past; who is registered already has a number"})
    if starts < book.sets[-1].effective_from:
        wrong.append({"field": "effective_from", "message": "is before that of the set before, which it replaces"})
    findings = _findings(tx, book, command)
    wrong += [{"field": f"rules.{finding.rule or '*'}", "message": finding.message} for finding in errors(findings)]
    if wrong:
        raise Invalid("these rules cannot be set; mend them and check them again", errors=wrong)
    event = NumberingRulesSet(
        version=book.version + 1, effective_from=starts, rules=command.rules, reason=command.reason
    )
    result = {
        "version": event.version,
        "effective_from": instant(starts),
        "findings": [asdict(finding) for finding in findings],
    }
    append = Append(RULES_STREAM, RULES_ID, book.version, [event])
    appended(tx, [Commit(cause_for(cause, "rules", event.version, command=cause.command), (append,), digest, result)])
    number_store.put_rules(tx.cursor, event)
    return result


def _findings(tx: Transaction, book: RuleBook, command: CheckRules) -> list[Finding]:
    findings = lint(command.rules, book)
    if errors(findings):
        return findings
    return [*findings, *_taken(number_store.names(tx.cursor), list(map(Numbering, command.rules)), book)]


def _taken(names: Sequence[str], coming: Sequence[Numbering], book: RuleBook) -> list[Finding]:
    """Numbers that lead to somebody already and have the form of a new rule, which would give them out one day."""
    found = []
    in_use = [canonical(name) for name in names]
    for numbering in coming:
        is_new = book.rule(numbering.rule.id) is None and numbering.rule.use == "issue"
        taken = [name for name in in_use if numbering.read(name) is not None] if is_new else []
        if taken:
            what = f"{len(taken)} numbers or aliases in use have its form, e.g. {taken[0]}; choose another form."
            found.append(Finding("error", numbering.rule.id, what))
    return found


def _set_json(found: RuleSet) -> dict[str, Any]:
    return {
        "version": found.version,
        "effective_from": instant(found.effective_from),
        "rules": [numbering.rule.model_dump(mode="json") for numbering in found.rules],
    }
