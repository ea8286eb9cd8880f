"""The tables of the notifications service in memory: `services.notifications.store`, as far as timers need it.

tests/notifications/test_store_contract.py holds both to the same promises. A cursor is the `Tables` of the log.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.notifications.rules.permission import Word
from services.notifications.rules.timer import Timer
from services.notifications.store import Delivery
from shared.eventlog.mapper import Record, parse

__all__ = ["Delivery"]


def timers_of(cursor: Any, customers: Collection[str]) -> list[Timer]:
    return [timer for timer in cursor["timers"].values() if timer.customer in customers]


def timers_by_id(cursor: Any, reminders: Collection[str]) -> dict[str, Timer]:
    return {reminder: cursor["timers"][reminder] for reminder in reminders if reminder in cursor["timers"]}


def claim_due(cursor: Any, now: datetime, limit: int) -> list[Timer]:
    due = [timer for timer in cursor["timers"].values() if timer.status == "planned" and timer.due_at <= now]
    return sorted(due, key=lambda timer: (timer.due_at, timer.reminder_id))[:limit]


def oldest_due(cursor: Any, now: datetime) -> datetime | None:
    due = claim_due(cursor, now, 1)
    return due[0].due_at if due else None


def save_timers(cursor: Any, timers: Collection[Timer]) -> None:
    cursor["timers"].update((timer.reminder_id, timer) for timer in timers)


def save_moves(cursor: Any, moves: Mapping[str, tuple[str, int]]) -> None:
    for customer, move in moves.items():
        if move[1] > cursor["members"].get(customer, ("", 0))[1]:
            cursor["members"][customer] = move


def identities(cursor: Any, customers: Collection[str]) -> dict[str, str]:
    return {customer: cursor["members"][customer][0] for customer in customers if customer in cursor["members"]}


def save_words(cursor: Any, words: Sequence[Word]) -> None:
    for word in words:
        known = cursor["words"].get(word.key)
        if known is None or known.position < word.position:
            cursor["words"][word.key] = word


def words_of(cursor: Any, customers: Collection[str]) -> dict[str, list[Word]]:
    def home(customer: str) -> str:
        identity: str = cursor["members"].get(customer, (customer, 0))[0]
        return identity

    kept = sorted(cursor["words"].values(), key=lambda word: word.position)
    said = {customer: [word for word in kept if home(word.customer) == home(customer)] for customer in customers}
    return {customer: words for customer, words in said.items() if words}


def greeted(cursor: Any, occasions: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    fired = [t for t in cursor["timers"].values() if t.status == "fired" and t.kind == "birthday"]
    members = cursor["members"]
    over = {(members.get(timer.customer, (timer.customer, 0))[0], timer.local_date.year) for timer in fired}
    return over.intersection(occasions)


def queue(cursor: Any, deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        cursor["deliveries"].setdefault(delivery.message_id, delivery)


def records_at(cursor: Any, places: Iterable[tuple[str, int]]) -> dict[str, Record]:
    wanted = set(places)
    stored = cursor["events"].values()
    return {stream: parse(state) for stream, version, state, _ in stored if (stream, version) in wanted}


def purge(cursor: Any, subject: str) -> int:
    gone = [("timers", timer.reminder_id) for timer in timers_of(cursor, {subject})]
    gone += [("deliveries", d.message_id) for d in cursor["deliveries"].values() if d.customer == subject]
    gone += [("members", subject)] if subject in cursor["members"] else []
    gone += [("words", word.key) for word in cursor["words"].values() if word.customer == subject]
    for table, key in gone:
        del cursor[table][key]
    return len(gone)
