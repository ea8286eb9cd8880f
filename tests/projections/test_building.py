"""One build at a time: waited for, or given up."""

from __future__ import annotations

import asyncio

from services.projections.building import Building


async def test_a_build_is_busy_until_it_is_waited_for() -> None:
    building, release = Building(), asyncio.Event()
    made = []

    async def build() -> None:
        await release.wait()
        made.append(True)

    building.begin(build(), "a build")
    assert building.busy
    release.set()
    await building.wait()

    assert made
    assert not building.busy


async def test_a_build_that_is_given_up_has_cleaned_up_when_stop_returns() -> None:
    building, begun = Building(), asyncio.Event()
    cleaned = []

    async def build() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    building.begin(build(), "a build")
    await begun.wait()
    await building.stop()

    assert cleaned
    assert not building.busy


async def test_without_a_build_there_is_nothing_to_wait_for() -> None:
    building = Building()

    await building.wait()
    await building.stop()

    assert not building.busy
