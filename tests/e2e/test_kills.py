"""Kill -9 in the middle of an import: everything catches up, nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from deploy import client, replay
from deploy.embedded.home import Home
from deploy.embedded.running import running
from deploy.history import open_history
from shared.ids import uuid7
from tests.e2e.system import people, pid_of, send_until_taken

pytestmark = [pytest.mark.server, pytest.mark.slow]

ROWS = 600
VICTIMS = ("customer", "identity", "notifications", "projections", "postgres", "kafka", "mongo")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.at(tmp_path_factory.mktemp("kills") / "home")
    with running(home):
        yield home


async def test_one_command_can_be_followed_through_the_logs_of_all_services(home: Home) -> None:
    correlation = uuid7()
    async with client.connect(home, "u1", "sales") as sales:
        body = {"kind": "person", "source": "desk", "name": "Canary Xylophone", "birth_date": "1980-01-02"}
        await sales.send("POST", "customer", "/customers", body, {"X-Correlation-Id": correlation})
        await client.caught_up(sales)

    for service in ("customer", "identity", "notifications", "projections"):
        said = (home.logs / f"{service}.log").read_text()
        assert correlation in said, f"the {service} service says nothing of the command"
        assert "Xylophone" not in said


@pytest.mark.parametrize("victim", VICTIMS)
async def test_everything_catches_up_after_kill_9(home: Home, victim: str) -> None:
    source = f"kill-{victim}"
    async with client.connect(home, "importer", "import", "operator") as importer:
        sending = asyncio.create_task(send_until_taken(importer, source, people(source, ROWS)))
        before = importer.state
        await asyncio.sleep(0.25)
        pid = pid_of(home, victim)
        os.kill(pid, signal.SIGKILL)

        await sending
        settled = await client.caught_up(importer, seconds=240)

        assert settled.parked == 0
        with open_history(home) as history:
            checked = await replay.check(history, before)
    registered = [
        member["external_id"]
        for document in checked.folded["customer"].values()
        for member in document["members"]
        if member["source"] == source
    ]
    assert pid_of(home, victim) != pid
    assert sorted(registered) == [f"{source}-{n:05}" for n in range(ROWS)]
    assert checked.equal, list(checked.lines())
    assert checked.counts["identity.number_assigned"] == checked.counts["customer.registered"]
