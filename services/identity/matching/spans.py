"""The same work on spans of many things, in several processes where there are enough of them.

The processes are forked, so they share what they look at with nothing copied, and hash strings alike. More of them
change no result: spans come back in their order.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

ENOUGH = 4
"""Spans from which on a second process is worth its start."""

_work: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
"""What a forked process does, and on what; empty in every other one."""


def over(work: Callable[..., T], shared: tuple[Any, ...], number: int, step: int, processes: int) -> list[T]:
    """work(start, end, *shared) for every span of `step` among `number` things."""
    spans = [(at, min(at + step, number)) for at in range(0, number, step)]
    if processes < 2 or len(spans) < ENOUGH or "fork" not in multiprocessing.get_all_start_methods():
        return [work(start, end, *shared) for start, end in spans]
    with multiprocessing.get_context("fork").Pool(processes, _take, (work, shared)) as pool:
        return pool.map(_one, spans, chunksize=1)


def _take(work: Callable[..., Any], shared: tuple[Any, ...]) -> None:
    _work[:] = [(work, shared)]


def _one(span: tuple[int, int]) -> Any:
    work, shared = _work[0]
    return work(*span, *shared)
