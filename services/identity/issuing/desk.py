"""One transaction over the numbers of some customers: rows in, events and their answers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from services.identity import number_store, store
from services.identity.allocation import Allocation, issuing, key_of
from services.identity.issuing.commands import Assignment, KnownNumber, RowAnswer
from services.identity.issuing.streams import appended, cause_for, stream_about
from services.identity.numbering.facts import Facts
from services.identity.numbering.held import Held, becomes_primary, held
from services.identity.numbering.rule import canonical
from services.identity.numbering.rulebook import RuleBook
from services.identity.numbering.scheme import Numbering
from services.identity.streams import customer_of, number_key, stream_of
from shared.errors import AlreadyReserved, Conflict, CustlogError, Invalid, NotFound
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Transaction
from shared.eventlog.mapper import parse
from shared.eventlog.recorder import reservation_holders, stored_states
from shared.events.catalogue import decode
from shared.events.envelope import Cause, Contract
from shared.events.identity import AliasAdded, NumberAssigned
from shared.events.numbering import SerialsRaised
from shared.ids import is_uuid

Decision = tuple[list[Contract], str, tuple[str, ...]]
"""Events of a row, the number that is answered, and the keys to reserve."""
Decide = Callable[["Desk", Any], Decision]
"""Decides one row. Raises CustlogError to refuse it."""
Candidate = tuple[Numbering, tuple[str, ...]]
"""A rule that numbers a customer, and what it shows of it."""


class Desk:
    """One transaction over the numbers of some customers. It holds the log's lock."""

    def __init__(self, tx: Transaction, now: datetime, rows: Sequence[Assignment | KnownNumber]) -> None:
        asked = {row.customer for row in rows}
        self._named = _named(tx, sorted(reference for reference in asked if not is_uuid(reference)))
        customers = (asked - self._named.keys()).union(self._named.values())
        numbers = [row.number for row in rows if row.number is not None]
        self._tx = tx
        self._now = now
        self._allocation = Allocation(tx.cursor)
        self._book: RuleBook = self._allocation.book
        self._versions = store.versions(tx.cursor, sorted(filter(is_uuid, customers)))
        states = stored_states(tx.cursor, [stream_of(customer) for customer, at in self._versions.items() if at])
        self._before = {c: held(numbering_events(states.get(stream_of(c), ())), self._book) for c in self._versions}
        self._since: dict[str, list[Contract]] = {}
        keys = {key for number in numbers for key in (number_key(number), key_of(number))}
        self._owners = reservation_holders(tx.cursor, sorted(keys)) if keys else {}
        self._commits: list[tuple[str, list[Contract], tuple[str, ...], Cause]] = []
        self._raised: dict[str, SerialsRaised] = {}
        self._facts: Facts | None = None
        self._candidates: list[Candidate] = []

    def take(self, row: Any, decide: Decide, cause: Cause) -> RowAnswer:
        """Decides one row; what it is refused for is in its answer."""
        customer = self._named.get(row.customer, row.customer)
        if customer != row.customer:
            row = row.model_copy(update={"customer": customer})
        try:
            if customer not in self._before:
                raise _unknown(customer)
            events, number, reserve = decide(self, row)
        except CustlogError as error:
            return RowAnswer(customer=customer, error=error.detail)
        if events:
            self._since.setdefault(customer, []).extend(events)
            self._owners.update(dict.fromkeys(reserve, stream_of(customer)))
            self._commits.append((customer, events, reserve, cause))
        return RowAnswer(customer=customer, number=number, changed=bool(events))

    def _held(self, customer: str) -> Held:
        """What a customer has now. What was decided here counts, and is looked at only if the customer comes again."""
        now = self._before[customer]
        for event in self._since.pop(customer, ()):
            now.take(event, self._book)
        return now

    def next(self, customer: str, facts: Facts, rule_id: str | None) -> Decision:
        """The next number by the rules, unless the customer has one of that scope already."""
        now = self._held(customer)
        by_rules = rule_id is None
        candidates = self._by_rules(facts) if by_rules else self._by_name(rule_id or "", facts)
        if not candidates:
            raise Conflict(
                "no rule numbers this customer: a condition does not hold or a fact that it shows is missing"
            )
        numbering, shown = candidates[0]
        known = now.by_scope.get(numbering.scope(shown)) or self._kept(now, numbering.rule.id, numbering.rule.on_move)
        event = known or self._allocation.first_of(candidates, self._now)
        return becomes_primary(now, event), event.number, (key_of(event.number),)

    def _kept(self, now: Held, rule_id: str, on_move: str) -> NumberAssigned | None:
        """Who moves to another scope of the same rule keeps the number, if the rule says so."""
        return now.primary if on_move == "keep" and now.primary and now.primary.rule == rule_id else None

    def _by_rules(self, facts: Facts) -> list[Candidate]:
        """Of many rows most say the same of their customer."""
        if facts != self._facts:
            self._facts, self._candidates = facts, list(self._book.candidates(facts, self._now))
        return self._candidates

    def _by_name(self, rule_id: str, facts: Facts) -> list[Candidate]:
        numbering = issuing(self._book, rule_id)
        shown = numbering.shown(facts, self._now) if numbering.matches(facts) else None
        return [] if shown is None else [(numbering, shown)]

    def chosen(self, customer: str, text: str) -> Decision:
        """A number that a rule holds back, or one of an open lease, given by hand."""
        parsed = self._book.read(canonical(text))
        numbering = None if parsed is None else self._book.rule(parsed.rule)
        if parsed is None or numbering is None or numbering.rule.use != "issue":
            raise Invalid(
                "no numbering rule has this form", errors=[{"field": "number", "message": "has no known form"}]
            )
        if not parsed.check_ok:
            raise Invalid("its check does not fit", errors=[{"field": "number", "message": "its check does not fit"}])
        number = numbering.render(parsed.shown, parsed.serial)
        now = self._held(customer)
        if key_of(number) not in {key_of(name) for name in now.names}:
            self._free(number, customer)
            if numbering.gives_out(parsed.shown, parsed.serial) and not self._leased(parsed.scope, parsed.serial):
                raise Conflict(
                    "this number is given out by its rule in its turn; choose one that is held back or leased"
                )
        event = NumberAssigned(number=number, rule=parsed.rule, serial=parsed.serial)
        return becomes_primary(now, event), number, (key_of(number),)

    def known(self, row: KnownNumber) -> Decision:
        """A number that the customer had in an earlier system."""
        now = self._held(row.customer)
        parsed = self._book.read(canonical(row.number))
        if parsed is not None and not parsed.check_ok:
            raise Invalid(f"it has the form of rule {parsed.rule}, and its check does not fit")
        if row.kind == "number" and parsed is None:
            raise Invalid("no rule has this form; set one for import that has, or take it over as former")
        if row.number in now.names and (row.kind != "number" or (now.primary and now.primary.number == row.number)):
            return [], row.number, ()
        self._free(row.number, row.customer)
        if parsed is not None:
            self._raise(parsed.rule, parsed.scope, parsed.serial)
        if row.kind != "number" or parsed is None:
            kind: Literal["former", "foreign"] = "foreign" if row.kind == "foreign" else "former"
            return [AliasAdded(alias=row.number, kind=kind)], row.number, (_key(row.number, own=parsed is not None),)
        event = NumberAssigned(number=row.number, rule=parsed.rule, serial=parsed.serial)
        return becomes_primary(now, event), row.number, (key_of(row.number),)

    def _free(self, number: str, customer: str) -> None:
        stream = stream_of(customer)
        if any(self._owners.get(key, stream) != stream for key in (number_key(number), key_of(number))):
            raise AlreadyReserved("this number leads to another customer already")

    def _leased(self, scope: str, serial: int) -> bool:
        return any(e.first <= serial <= e.last for e in number_store.open_leases(self._tx.cursor, scope))

    def _raise(self, rule_id: str, scope: str, serial: int) -> None:
        numbering = self._book.rule(rule_id)
        if numbering is None or serial < self._allocation.floor(numbering, scope):
            return
        self._allocation.pass_over(numbering, scope, serial)
        self._raised[scope] = SerialsRaised(rule=rule_id, scope=scope, floor=serial, reason="taken over")

    def write(self) -> None:
        """Appends what was decided, one commit per row. Raises what the log refuses, and then nothing is written."""
        versions = dict(self._versions)
        waves: list[list[Commit]] = [[]]
        seen: set[str] = set()
        for customer, events, reserve, cause in self._commits:
            if customer in seen:
                waves.append([])
                seen.clear()
            seen.add(customer)
            append = Append(stream_of(customer), customer, versions[customer], events)
            waves[-1].append(Commit(cause_for(cause, customer, versions[customer]), (append,), reserve=reserve))
            versions[customer] += len(events)
        waves[-1] += [self._raising(self._commits[-1][3], event) for _, event in sorted(self._raised.items())]
        for wave in waves:
            appended(self._tx, wave)
        store.put_versions(self._tx.cursor, {c: v for c, v in versions.items() if v != self._versions[c]})
        self._allocation.save()

    def _raising(self, cause: Cause, event: SerialsRaised) -> Commit:
        stream, about = stream_about(event.scope)
        version = number_store.version(self._tx.cursor, stream)
        return Commit(cause_for(cause, event.scope, version), (Append(stream, about, version, [event]),))


def _named(tx: Transaction, references: Sequence[str]) -> dict[str, str]:
    """Number or alias -> the customer that it leads to; one that leads to nobody is missing."""
    if not references:
        return {}
    owners = reservation_holders(tx.cursor, sorted({key for name in references for key in _keys(name)}))
    found = {name: next((owners[key] for key in _keys(name) if key in owners), None) for name in references}
    return {name: customer_of(owner) for name, owner in found.items() if owner is not None}


def _keys(name: str) -> tuple[str, str]:
    return number_key(name), key_of(name)


def _unknown(customer: str) -> NotFound:
    if is_uuid(customer):
        return NotFound(f"customer {customer} is not known here (yet); check the id or try again later")
    return NotFound("no customer has this number or alias; check it, or give the customer's id")


def _key(number: str, *, own: bool) -> str:
    return key_of(number) if own else number_key(number)


def numbering_events(states: Sequence[bytes]) -> list[Contract]:
    # Only numbers are asked for, and nothing of them is sealed.
    records = map(parse, states)
    return [_decoded(r.type, r.v, r.data) for r in records if r.type in {NumberAssigned.TYPE, AliasAdded.TYPE}]


def _decoded(event_type: str, version: int, data: Mapping[str, Any]) -> Contract:
    return decode(event_type, version, dict(data))
