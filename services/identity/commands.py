"""One command on identities: one transaction under the log's lock, one append, one set of writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from services.identity import decision_store, store
from services.identity.domain.identities import Identities
from services.identity.streams import stream_of
from shared.errors import CustlogError
from shared.eventlog.commit import Append, Commit, Committed
from shared.eventlog.log import Log, Transaction
from shared.events.envelope import Cause, Contract


@dataclass(frozen=True, slots=True)
class Answer:
    """What a decision came to: events for the stream of its first customer, and what its caller is told."""

    events: Sequence[Contract]
    result: Mapping[str, Any]
    reserve: tuple[str, ...] = ()


Decide: TypeAlias = Callable[[Transaction, Identities], Answer]
"""Decides on the present identities and evolves them by what was decided."""


async def run(log: Log, customers: tuple[str, ...], cause: Cause, digest: bytes, decide: Decide) -> Mapping[str, Any]:
    """`perform` in a transaction of its own. Raises Unavailable besides (retry)."""

    def work() -> Mapping[str, Any]:
        with log.transaction() as tx:
            tx.lock()
            return perform(tx, customers, cause, digest, decide)

    return await log.in_thread(work)


def perform(
    tx: Transaction, customers: tuple[str, ...], cause: Cause, digest: bytes, decide: Decide
) -> Mapping[str, Any]:
    """One command on the stream of the first customer. All its events stand there, so their order is the decision's.

    The transaction must hold the log's lock. Raises NotFound for a customer without a number, CommandReused, and what
    `decide` and the log raise.
    """
    known = tx.recall(cause.command, digest)
    if known is not None:
        return _committed(known).result
    state = store.identities(tx.cursor, decision_store.reach(tx.cursor, customers), with_links=True)
    for customer in customers:
        state.identity(customer)
    answer = decide(tx, state)
    version = store.profiles(tx.cursor, customers[:1])[customers[0]].version
    appends = (Append(stream_of(customers[0]), customers[0], version, answer.events),) if answer.events else ()
    commit = Commit(cause, appends, digest=digest, result=answer.result, reserve=answer.reserve)
    committed = _committed(tx.append([commit])[0])
    if answer.events:
        store.put_version(tx.cursor, customers[0], version + len(answer.events))
        told = [(position, cause.actor.id, event) for position, event in enumerate(answer.events, committed.position)]
        decision_store.write(tx.cursor, decision_store.changes_of(told))
    return committed.result


def _committed(answer: Committed | CustlogError) -> Committed:
    if isinstance(answer, CustlogError):
        raise answer
    return answer
