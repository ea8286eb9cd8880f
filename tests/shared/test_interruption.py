"""A CancelledError from within a library is a failure; one that is meant for the task ends it."""

from __future__ import annotations

import asyncio

import pytest

from shared.interruption import Interrupted, contained


async def test_what_a_library_cancels_within_is_a_failure_that_can_be_retried() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(answer.cancel)

    with pytest.raises(Interrupted):
        await contained(answer)


async def test_what_is_meant_for_the_task_ends_it() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(contained(work()))
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_result_comes_through() -> None:
    assert await contained(asyncio.sleep(0, 7)) == 7
