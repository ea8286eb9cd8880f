"""Leased blocks: numbers that a writer elsewhere may give out, and what becomes of those it did not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from services.identity import number_store
from services.identity.allocation import Allocation, UsedUp, issuing, key_of
from services.identity.issuing.commands import Lease
from services.identity.issuing.streams import appended, cause_for, stream_about
from services.identity.numbering.rulebook import RuleBook
from services.identity.numbering.scheme import Issued, Numbering
from shared.clock import Clock
from shared.errors import Conflict, CustlogError, Invalid, NotFound
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Log, Transaction
from shared.eventlog.recorder import reservation_holders
from shared.events.envelope import Cause, instant
from shared.events.numbering import NumbersLeased, NumbersVoided, SerialRange

AT_ONCE = 20
"""So many expired leases one command clears up."""


class Leases:
    """Every call raises Unavailable (retry)."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def lease(self, command: Lease, cause: Cause, digest: bytes) -> dict[str, Any]:
        """A block of the next numbers of a scope, for nobody else. Sent again, the same block.

        Raises NotFound for a rule that does not exist, Invalid for one that leases none, UsedUp, CommandReused.
        """

        def work(tx: Transaction, now: datetime) -> dict[str, Any]:
            known = tx.recall(cause.command, digest)
            if isinstance(known, CustlogError):
                raise known
            if known is not None:
                return dict(known.result)
            _void(tx, number_store.expired(tx.cursor, now, AT_ONCE), "expired", cause)
            return _lease(tx, command, cause, digest, now)

        return await self._locked(work)

    async def release(self, lease: str, cause: Cause) -> dict[str, Any]:
        """Ends a lease: what was not given to a customer is void for ever. Raises NotFound; twice is like once."""

        def work(tx: Transaction, _: datetime) -> dict[str, Any]:
            found = number_store.lease(tx.cursor, lease)
            if found is None:
                raise NotFound(f"there is no lease {lease}")
            event, is_open = found
            voided = _void(tx, [event], "released", cause) if is_open else 0
            return {"lease": lease, "voided": voided, "changed": is_open}

        return await self._locked(work)

    async def clear(self, cause: Cause) -> dict[str, Any]:
        """Ends the leases whose time is over, some at a time; `left` says whether to ask again."""

        def work(tx: Transaction, now: datetime) -> dict[str, Any]:
            over = number_store.expired(tx.cursor, now, AT_ONCE)
            voided = _void(tx, over, "expired", cause)
            return {"leases": len(over), "voided": voided, "left": len(over) == AT_ONCE}

        return await self._locked(work)

    async def _locked(self, work: Any) -> dict[str, Any]:
        def run() -> dict[str, Any]:
            with self._log.transaction() as tx:
                tx.lock()
                answer: dict[str, Any] = work(tx, self._clock.now())
                return answer

        return await self._log.in_thread(run)


def _lease(tx: Transaction, command: Lease, cause: Cause, digest: bytes, now: datetime) -> dict[str, Any]:
    allocation = Allocation(tx.cursor)
    numbering = _leasing(allocation.book, command.rule)
    facts = command.facts.facts
    shown = numbering.shown(facts, now) if numbering.matches(facts) else None
    if shown is None:
        raise Invalid(f"rule {command.rule} does not number such customers: a condition fails or a fact is missing")
    scope = numbering.scope(shown)
    block = list(islice(_following(numbering, shown, allocation.floor(numbering, scope)), command.count))
    if len(block) < command.count:
        raise UsedUp(f"scope {scope} has {len(block)} numbers left, {command.count} were asked for; ask for fewer")
    event = NumbersLeased(
        lease=cause.command,
        rule=command.rule,
        scope=scope,
        first=block[0].serial,
        last=block[-1].serial,
        holder=command.holder,
        expires_at=now + timedelta(seconds=command.seconds),
    )
    result = {
        "lease": event.lease,
        "scope": scope,
        "expires_at": instant(event.expires_at),
        "numbers": [issued.number for issued in block],
    }
    allocation.pass_over(numbering, scope, event.last)
    allocation.count(scope, len(block), now)
    stream, about = stream_about(scope)
    append = Append(stream, about, number_store.version(tx.cursor, stream), [event])
    appended(tx, [Commit(cause, (append,), digest, result)])
    number_store.put_lease(tx.cursor, event)
    allocation.save()
    return result


def _leasing(book: RuleBook, rule_id: str) -> Numbering:
    numbering = issuing(book, rule_id)
    if numbering.rule.gaps != "leases":
        raise Conflict(f"rule {rule_id} is to have no gaps, so its numbers are not leased; set gaps to leases")
    return numbering


def _following(numbering: Numbering, shown: Sequence[str], floor: int) -> Any:
    while (issued := numbering.next(shown, floor)) is not None:
        yield issued
        floor = issued.serial + 1


def _void(tx: Transaction, leases: Sequence[NumbersLeased], reason: str, cause: Cause) -> int:
    """Ends these leases, and answers how many numbers nobody was given."""
    book = number_store.rule_book(tx.cursor)
    count = 0
    for lease in leases:
        unused = _unused(tx, book, lease)
        count += len(unused)
        stream, about = stream_about(lease.scope)
        event = NumbersVoided(
            lease=lease.lease, rule=lease.rule, scope=lease.scope, ranges=ranges(unused), reason=reason
        )
        append = Append(stream, about, number_store.version(tx.cursor, stream), [event])
        appended(tx, [Commit(cause_for(cause, lease.lease), (append,))])
    number_store.close_leases(tx.cursor, [lease.lease for lease in leases])
    return count


def _unused(tx: Transaction, book: RuleBook, lease: NumbersLeased) -> list[int]:
    numbering = book.rule(lease.rule)
    if numbering is None:
        return []
    shown = numbering.shown_in(lease.scope)
    block: list[Issued] = []
    for issued in _following(numbering, shown, lease.first):
        if issued.serial > lease.last:
            break
        block.append(issued)
    owners = reservation_holders(tx.cursor, [key_of(issued.number) for issued in block])
    return [issued.serial for issued in block if key_of(issued.number) not in owners]


def ranges(serials: Sequence[int]) -> tuple[SerialRange, ...]:
    """Ascending serials as ranges."""
    found: list[SerialRange] = []
    for serial in serials:
        if found and found[-1].last == serial - 1:
            found[-1] = SerialRange(first=found[-1].first, last=serial)
        else:
            found.append(SerialRange(first=serial, last=serial))
    return tuple(found)
