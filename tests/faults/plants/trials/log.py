"""Experiments with the bugs in writing the log."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg

from shared.errors import Conflict, CustlogError
from shared.eventlog import recorder
from shared.eventlog.commit import Commit, Committed, lay_out
from shared.eventlog.commit import _recalled as recalled
from shared.eventlog.group import GroupCommit, _resolve_on_their_loops, _Waiting
from shared.eventlog.log import Transaction, datastore
from shared.eventlog.recorder import LogRecorder, Rows, StoredAnswer
from tests.faults.plants.trials.trial import NOW, Cursor, a_commit, at_once, looks_at, of


@looks_at("reservation-unchecked", "reservation-kept-after-refusal")
def function() -> object:
    return recorder._CREATE_FUNCTION.as_string(None)


@looks_at("unlocked-positions")
def lock() -> object:
    cursor: Any = Cursor()
    Transaction(cursor, of(object)).lock()
    return cursor.told, "pg_advisory_xact_lock" in str(function()), recorder._CREATE_RESERVATIONS.as_string(None)


@looks_at("asynchronous-commit")
def options() -> object:
    made: Any = datastore("postgresql://u@localhost:1/d")
    return made.pool.kwargs


@looks_at("idempotency-record-left-out")
def laid_out() -> object:
    commit = Commit(a_commit().cause, (), b"digest")
    return lay_out([commit], "customer", {}, NOW, bytes).command_ids


def _appended(**attributes: Any) -> object:
    cursor: Any = Cursor({"commit_no": None, "refusal": None, "base": 7})
    rows = Rows.empty()
    rows.states.append(b"{}")
    rows.command_ids.append("c")
    of(LogRecorder, **attributes).append(cursor, rows)
    return [parameters for _, parameters in cursor.told]


@looks_at("idempotency-record-apart")
def appended() -> object:
    return _appended()


@looks_at("drained-retry-after-outage")
def appended_again() -> object:
    return _appended(_again=True)


@looks_at("digest-ignored")
def another_body() -> object:
    return type(recalled(StoredAnswer("c", b"one", b"{}", 1), b"two")).__name__


async def _resolved(*answers: Committed | Exception) -> object:
    items = [_Waiting(a_commit(), asyncio.get_running_loop().create_future()) for _ in answers]
    _resolve_on_their_loops(items, answers)
    return [type(each).__name__ for each in await asyncio.gather(*(i.future for i in items), return_exceptions=True)]


@looks_at("answers-mixed-up", "refusal-spreads")
@at_once
async def answers() -> object:
    return await _resolved(Committed(1, {}), Conflict("no"), Committed(2, {}))


@looks_at("answer-before-commit")
@at_once
async def refused() -> object:
    class Refusing:
        def prepare(self, commits: list[Commit]) -> Any:
            return commits

        def write(self, _: object, commits: list[Commit]) -> list[CustlogError]:
            return [Conflict("no")] * len(commits)

        write_prepared = write

    group: Any = GroupCommit(of(object), of(Refusing))
    group._cursor = Cursor()
    group.start()
    (future,) = group.submit([a_commit()])
    try:
        return type(await future).__name__
    except Conflict as refusal:
        return type(refusal).__name__
    finally:
        await asyncio.to_thread(group.stop)


@looks_at("open-outcome-refused")
def broken_off() -> object:
    class Broken:
        def write(self, *_: object) -> None:
            raise psycopg.OperationalError("gone")

        write_prepared = write

    group: Any = GroupCommit(of(LogRecorder), of(Broken))
    group._cursor, group._stopping = Cursor(), True
    try:
        return group._persist([a_commit()])
    except CustlogError as error:
        return type(error).__name__
