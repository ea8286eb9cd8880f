"""Services on stand-ins: inside `in_memory()` their code finds tables in memory where it would ask PostgreSQL."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

from tests.support import memory_decisions, memory_identity, memory_numbers, memory_timers
from tests.support.memory_inbox import MemoryInbox

R = TypeVar("R")


def _reservation_holders(cursor: Any, keys: Sequence[str]) -> dict[str, str]:
    return {key: cursor["reservations"][key] for key in keys if key in cursor["reservations"]}


def _stored_states(cursor: Any, streams: Sequence[str]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for stream, _, state, _ in cursor["events"].values():
        if stream in streams:
            found.setdefault(stream, []).append(state)
    return found


STAND_INS = {
    "shared.consumer.Inbox": MemoryInbox,
    "services.identity.allocation.number_store": memory_numbers,
    "services.identity.batch.store": memory_identity,
    "services.identity.batch.decision_store": memory_decisions,
    "services.identity.records.store": memory_identity,
    "services.identity.application.number_store": memory_numbers,
    "services.identity.application.store": memory_identity,
    "services.identity.commands.store": memory_identity,
    "services.identity.commands.decision_store": memory_decisions,
    "services.identity.stewardship.store": memory_identity,
    "services.identity.stewardship.decision_store": memory_decisions,
    "services.identity.application.reservation_holders": _reservation_holders,
    "services.identity.issuing.desk.number_store": memory_numbers,
    "services.identity.issuing.desk.reservation_holders": _reservation_holders,
    "services.identity.issuing.desk.store": memory_identity,
    "services.identity.issuing.desk.stored_states": _stored_states,
    "services.identity.issuing.leases.number_store": memory_numbers,
    "services.identity.issuing.leases.reservation_holders": _reservation_holders,
    "services.identity.issuing.numbers.number_store": memory_numbers,
    "services.identity.issuing.questions.number_store": memory_numbers,
    "services.identity.issuing.questions.reservation_holders": _reservation_holders,
    "services.identity.issuing.questions.store": memory_identity,
    "services.identity.issuing.questions.stored_states": _stored_states,
    "services.identity.issuing.rules.number_store": memory_numbers,
    "services.notifications.application.store": memory_timers,
    "services.notifications.effects.store": memory_timers,
    "services.notifications.timers.store": memory_timers,
}


@contextmanager
def in_memory() -> Iterator[None]:
    """What each stand-in promises is held to the real one by a contract suite; no other code is replaced."""
    with ExitStack() as stack:
        for target, stand_in in STAND_INS.items():
            stack.enter_context(patch(target, stand_in))
        yield


def at_once(work: Coroutine[Any, Any, R]) -> R:
    """What a coroutine answers that never waits, as none does on stand-ins."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: R = done.value
        return answer
    work.close()
    raise AssertionError("it waits for something")
