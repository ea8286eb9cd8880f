"""The tables of numbering in memory: `services.identity.number_store`, function by function.

tests/identity/test_number_store_contract.py holds both to the same promises. A cursor is `Tables`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from services.identity.number_store import NOTHING, Counter, Given, content, read_book
from services.identity.numbering.rulebook import RuleBook
from shared.eventlog.mapper import parse
from shared.events.envelope import moment
from shared.events.numbering import NumberingRulesSet, NumbersLeased

__all__ = ["Counter", "Given"]


def rule_book(cursor: Any) -> RuleBook:
    return read_book(tuple(stored for _, stored in sorted(cursor["numbering_rules"].items())))


def put_rules(cursor: Any, event: NumberingRulesSet) -> None:
    if event.version in cursor["numbering_rules"]:
        raise ValueError(f"version {event.version} is there already")
    cursor["numbering_rules"][event.version] = content(event)


def counters(cursor: Any, scopes: Collection[str]) -> dict[str, int]:
    return {scope: cursor["numbering"][scope].next for scope in scopes if scope in cursor["numbering"]}


def all_counters(cursor: Any) -> dict[str, Counter]:
    return dict(sorted(cursor["numbering"].items()))


def put_counters(cursor: Any, next_of: Mapping[str, int], given: Mapping[str, Given] = NOTHING) -> None:
    for scope, serial in next_of.items():
        known, more = cursor["numbering"].get(scope, Counter(serial, 0, None)), given.get(scope)
        since: list[datetime] = [] if known.since is None else [known.since]
        count = known.given
        if more is not None:
            since.append(more.since)
            count = None if count is None else count + more.count
        cursor["numbering"][scope] = Counter(max(serial, known.next), count, min(since, default=None))


def began(cursor: Any) -> datetime | None:
    first = next((parse(state) for _, _, state, _ in cursor["events"].values()), None)
    return None if first is None else moment(first.recorded_at)


def put_lease(cursor: Any, event: NumbersLeased) -> None:
    cursor["numbering_leases"][event.lease] = (content(event), True)


def close_leases(cursor: Any, leases: Sequence[str]) -> None:
    for each in leases:
        cursor["numbering_leases"][each] = (cursor["numbering_leases"][each][0], False)


def lease(cursor: Any, lease_id: str) -> tuple[NumbersLeased, bool] | None:
    found = cursor["numbering_leases"].get(lease_id)
    return None if found is None else (_leased(found[0]), found[1])


def open_leases(cursor: Any, scope: str) -> list[NumbersLeased]:
    found = [_leased(stored) for stored, is_open in cursor["numbering_leases"].values() if is_open]
    return sorted((event for event in found if event.scope == scope), key=lambda event: event.lease)


def version(cursor: Any, stream: str) -> int:
    found: int = cursor["versions"].get(stream, 0)
    return found


def expired(cursor: Any, now: datetime, limit: int) -> list[NumbersLeased]:
    found = [_leased(stored) for stored, is_open in cursor["numbering_leases"].values() if is_open]
    return sorted((e for e in found if e.expires_at <= now), key=lambda e: (e.expires_at, e.lease))[:limit]


def _leased(stored: bytes) -> NumbersLeased:
    return NumbersLeased.model_validate(orjson.loads(stored))


def names(cursor: Any) -> list[str]:
    return sorted(key.removeprefix("number:") for key in cursor["reservations"] if key.startswith("number:"))
