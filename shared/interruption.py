"""Telling a task's own end from the end of something within a library.

asyncio has one exception for both: whoever awaits a future that a library has cancelled (a connection that was closed
in the middle of a request) is sent a CancelledError, though nobody asked the task to end. A loop that is to go on
through every failure catches `Exception`, and would end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """What was awaited was cancelled from within. Retry."""


async def contained(work: Awaitable[T]) -> T:
    """The result of `work`. Raises Interrupted where it was cancelled while nobody asked this task to end."""
    try:
        return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Interrupted("what was under way was cancelled from within") from None
