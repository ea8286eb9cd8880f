"""The load against a system in good health: whatever is refused was provoked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.home import Home
from deploy.embedded.running import running
from tests.faults.folder import RunFolder
from tests.faults.history import History, read
from tests.faults.load import Load
from tests.faults.operations import MIX

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECONDS = 8.0
RATE = 20.0
MISSES = {"customer.register_taken"}
"""Always refused."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.at(tmp_path_factory.mktemp("load") / "home")
    with running(home):
        yield home


async def test_the_product_refuses_nothing_but_what_the_mix_provokes(home: Home, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    load = Load(run, home, 7, RATE)
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(SECONDS, over.set)
    await load.run(over)
    told = load.statistics()
    history = read(tmp_path / "history.jsonl")

    assert not told["unexpected"]
    # Identity and views say 404 of customers whom they have not heard of yet, on a machine that has much else to do.
    at_once = [command for command in history if command.service not in {"identity", "projections"}]
    assert {attempt.status for command in at_once for attempt in command.attempts} <= {200, 201, 409, 412}
    assert not told["outcomes"].get("unknown")
    assert set(told["repeats"]) <= {"same"}
    assert set(told["reuses"]) <= {"refused"}
    assert told["dropped"] == history.dropped == 0
    assert told["commands"] + sum(told["reuses"].values()) == len(list(history))
    not_reached = set(MIX) - _done(history) - MISSES
    print("not reached in so short a time:", sorted(not_reached))
    assert len(not_reached) < len(MIX) / 2
    assert load.first_ok_after("customer", 0.0) is not None


def _done(history: History) -> set[str]:
    return {command.op for command in history if command.outcome == "ok"}
