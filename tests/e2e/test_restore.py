"""Backup and restore of a whole system, and what it does when only PostgreSQL was put back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import client, replay
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.embedded.running import down, up
from deploy.history import open_history
from shared.audit.keys import AuditKeys
from tests.e2e.system import custlog, people, send_until_taken

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.at(tmp_path / "home")
    up(home)
    try:
        yield home
    finally:
        down(home)


async def bring(home: Home, source: str, count: int = 60) -> None:
    async with client.connect(home, "importer", "import", "operator") as importer:
        await send_until_taken(importer, source, people(source, count))
        await client.caught_up(importer)


async def sources_of(home: Home) -> list[str]:
    """The sources of the customers in the views, once nothing is behind and the views say what the logs say."""
    async with client.connect(home, "operator", "operator") as operator:
        await client.caught_up(operator)
        with open_history(home) as history:
            checked = await replay.check(history, operator.state)
    assert checked.equal, list(checked.lines())
    members = [member for document in checked.folded["customer"].values() for member in document["members"]]
    return sorted({member["source"] for member in members})


async def test_a_restored_backup_is_all_there_is_and_the_system_goes_on(home: Home, tmp_path: Path) -> None:
    await bring(home, "before")
    made = custlog(home, "backup", "--to", str(tmp_path / "backup"))
    assert made["heads"]["customer"] >= 60
    with pytest.raises(EmbeddedError, match="not empty"):
        custlog(home, "backup", "--to", str(tmp_path / "backup"))
    with pytest.raises(EmbeddedError, match="running already"):
        custlog(home, "restore", str(tmp_path / "backup"))
    await bring(home, "after")
    assert await sources_of(home) == ["after", "before"]
    down(home)

    damaged = tmp_path / "damaged"
    shutil.copytree(tmp_path / "backup", damaged)
    (damaged / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="no whole backup"):
        custlog(home, "restore", str(damaged))
    assert custlog(home, "restore", str(tmp_path / "backup"))["heads"] == made["heads"]
    # What is logged from here on is another history than the one that was signed after the backup.
    assert AuditKeys.read(home.audit_keys).origin("customer").endswith("/customer/2")

    up(home)
    assert await sources_of(home) == ["before"]
    await bring(home, "anew")
    assert await sources_of(home) == ["anew", "before"]


async def test_when_only_postgres_was_put_back_the_system_says_so_and_republish_mends_it(
    home: Home, tmp_path: Path
) -> None:
    await bring(home, "before")
    custlog(home, "backup", "--to", str(tmp_path / "backup"))
    await bring(home, "after")
    down(home)
    kept = {server: home.data / server / "data" for server in ("kafka", "mongo")}
    for server, data in kept.items():
        data.rename(tmp_path / server)
    custlog(home, "restore", str(tmp_path / "backup"))
    for server, data in kept.items():
        (tmp_path / server).rename(data)

    up(home)
    async with client.connect(home, "operator", "operator") as operator:
        deadline = asyncio.get_running_loop().time() + 60
        while "custlog republish" not in str((said := await operator.ready())["customer"].get("checks")):
            assert asyncio.get_running_loop().time() < deadline, said
            await asyncio.sleep(0.2)
        async with client.connect(home, "importer", "import") as importer:
            await send_until_taken(importer, "meanwhile", people("meanwhile", 6))
        custlog(home, "republish", "--all")
    assert await sources_of(home) == ["before", "meanwhile"]
