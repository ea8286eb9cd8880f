"""Loads that are asked for together are read together, and each caller gets its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from shared.errors import Unavailable
from shared.eventlog.loading import AT_ONCE, GroupLoad
from shared.events.envelope import Recorded


class Reader:
    """Reads when it is let: `gates` has one event per read."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.gates: list[asyncio.Event] = []
        self.broken: set[str] = set()

    async def __call__(self, streams: Sequence[str]) -> Mapping[str, Sequence[Recorded] | Exception]:
        self.asked.append(streams)
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        if "away" in streams:
            raise Unavailable("the database does not answer")
        return {stream: ValueError(stream) if stream in self.broken else [] for stream in streams}


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_while_reads_run_is_read_together_and_once_per_stream() -> None:
    reader = Reader()
    group = GroupLoad(reader)

    loads = [asyncio.create_task(group.load(stream)) for stream in ("a", "b", "c", "d", "c")]
    await turns()
    assert reader.asked[0] == ["a", "b", "c", "d"]

    late = [asyncio.create_task(group.load("a")) for _ in range(3)]
    await turns()
    assert [list(streams) for streams in reader.asked[1:]] == [["a"]], "a load must not share a read that began before"
    for gate in reader.gates:
        gate.set()
    await asyncio.gather(*loads, *late)


async def test_no_more_than_a_few_reads_run_at_a_time() -> None:
    reader = Reader()
    group = GroupLoad(reader)
    loads = []
    for stream in ("a", "b", "c", "d"):
        loads.append(asyncio.create_task(group.load(stream)))
        await turns()

    assert len(reader.asked) == AT_ONCE
    while not all(load.done() for load in loads):
        for gate in reader.gates:
            gate.set()
        await turns()
    assert sorted(stream for streams in reader.asked for stream in streams) == ["a", "b", "c", "d"]


async def test_a_stream_that_cannot_be_opened_fails_for_its_own_callers_only() -> None:
    reader = Reader()
    reader.broken = {"b"}
    group = GroupLoad(reader)

    loads = [asyncio.create_task(group.load(stream)) for stream in ("a", "b")]
    await turns()
    reader.gates[0].set()

    assert await loads[0] == []
    with pytest.raises(ValueError, match="b"):
        await loads[1]


async def test_a_failed_read_is_told_to_all_and_the_next_one_is_tried() -> None:
    reader = Reader()
    group = GroupLoad(reader)

    loads = [asyncio.create_task(group.load(stream)) for stream in ("a", "away")]
    await turns()
    reader.gates[0].set()
    for load in loads:
        with pytest.raises(Unavailable):
            await load

    again = asyncio.create_task(group.load("a"))
    await turns()
    reader.gates[1].set()
    assert await again == []


async def test_a_caller_that_goes_away_disturbs_nobody() -> None:
    reader = Reader()
    group = GroupLoad(reader)

    loads = [asyncio.create_task(group.load("a")) for _ in range(2)]
    await turns()
    loads[0].cancel()
    await turns()
    reader.gates[0].set()

    assert await loads[1] == []


async def test_who_loads_again_at_once_is_read_though_the_last_reads_ended_together() -> None:
    reader = Reader()
    group = GroupLoad(reader)

    async def twice() -> None:
        await group.load("a")
        await group.load("a")

    loads: list[asyncio.Task[object]] = [asyncio.create_task(twice())]
    await turns()
    loads.append(asyncio.create_task(group.load("b")))
    await turns()
    assert len(reader.asked) == AT_ONCE
    while not all(load.done() for load in loads):
        asked = len(reader.asked)
        for gate in reader.gates:
            gate.set()
        await turns()
        assert len(reader.asked) > asked or all(load.done() for load in loads), "the second load waits for nobody"
