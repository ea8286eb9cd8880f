"""What was decided about identities, in memory: `services.identity.decision_store`, function by function.

tests/identity/test_store_contract.py holds both to the same promises. A cursor is `Tables`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from services.identity.decision_store import Assertion, Changes, Request, Review, changes_of, told
from services.identity.domain.identities import Pair

__all__ = ["Assertion", "Changes", "Request", "Review", "changes_of", "told"]


def write(cursor: Any, changes: Changes) -> None:
    cursor["members"].update(changes.members)
    for table, rows in (
        ("links", {ends: row and row[0] for ends, row in changes.links.items()}),
        ("weights", {ends: row and row[1] for ends, row in changes.links.items()}),
        ("assertions", changes.assertions),
        ("reviews", changes.reviews),
        ("approvals", changes.approvals),
    ):
        for key, row in rows.items():
            if row is None:
                cursor[table].pop(key, None)
            else:
                cursor[table][key] = row
    for ends, (answer, author) in changes.answers.items():
        known = cursor["reviews"].get(ends)
        if known is not None:
            cursor["reviews"][ends] = msgspec.structs.replace(known, answer=answer, author=author)


def _among(rows: dict[Pair, Any], customers: Collection[str]) -> dict[Pair, Any]:
    return {ends: row for ends, row in rows.items() if ends[0] in customers and ends[1] in customers}


def assertions(cursor: Any, customers: Collection[str]) -> dict[Pair, Assertion]:
    return _among(cursor["assertions"], customers)


def assertions_of(cursor: Any, customers: Collection[str]) -> dict[Pair, Assertion]:
    found = {ends: row for ends, row in cursor["assertions"].items() if set(ends) & set(customers)}
    return dict(sorted(found.items(), key=lambda item: (item[1].position, item[0])))


def expired(cursor: Any, now: datetime, limit: int) -> list[Pair]:
    over = [(row.expires, ends) for ends, row in cursor["assertions"].items() if row.expires and row.expires <= now]
    return [ends for _, ends in sorted(over)][:limit]


def all_assertions(cursor: Any, after: int, limit: int) -> dict[Pair, Assertion]:
    found = [(row.position, ends, row) for ends, row in cursor["assertions"].items() if row.position > after]
    return {ends: row for _, ends, row in sorted(found, key=lambda each: each[:2])[:limit]}


def reviews(cursor: Any, customers: Collection[str]) -> dict[Pair, Review]:
    return _among(cursor["reviews"], customers)


def open_reviews(cursor: Any, limit: int) -> dict[Pair, Review]:
    return _oldest({ends: row for ends, row in cursor["reviews"].items() if row.answer is None}, limit)


def open_review(cursor: Any, position: int) -> tuple[Pair, Review] | None:
    found = ((ends, row) for ends, row in cursor["reviews"].items() if row.answer is None)
    return next(((ends, row) for ends, row in found if row.position == position), None)


def open_alike(cursor: Any, model: str, vector: str) -> list[Pair]:
    rows = open_reviews(cursor, len(cursor["reviews"])).items()
    return [ends for ends, row in rows if (row.model, row.vector) == (model, vector)]


def answered_reviews(cursor: Any, limit: int) -> dict[Pair, Review]:
    return _oldest({ends: row for ends, row in cursor["reviews"].items() if row.answer is not None}, limit)


def _oldest(found: dict[Pair, Review], limit: int) -> dict[Pair, Review]:
    return dict(sorted(found.items(), key=lambda item: item[1].position)[:limit])


def reach(cursor: Any, customers: Collection[str]) -> set[str]:
    members, found, fresh = cursor["members"], set(customers), set(customers)
    while fresh:
        identities = {members.get(customer) for customer in fresh}
        asked = [ends for ends, row in cursor["reviews"].items() if row.answer is None]
        tied = [ends for ends in asked if {members.get(end) for end in ends} & identities]
        fresh = {end for ends in tied for end in ends} - found
        found |= fresh
    return found


def request(cursor: Any, request_id: str) -> Request | None:
    found: Request | None = cursor["approvals"].get(request_id)
    return found


def requests(cursor: Any, limit: int) -> list[Request]:
    return sorted(cursor["approvals"].values(), key=lambda row: row.position)[:limit]


def sizes(cursor: Any, customers: Collection[str]) -> dict[str, int]:
    members = cursor["members"]
    identities = list(members.values())
    return {customer: identities.count(members[customer]) for customer in customers if customer in members}
