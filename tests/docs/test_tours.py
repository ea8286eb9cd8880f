"""Every shell command of the tours, run in order against one system; what they show is what is printed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import client
from deploy.embedded.home import PROJECT, Home
from deploy.embedded.running import running
from tests.docs import markdown, tables
from tests.docs.markdown import Step
from tests.docs.shell import Shell

pytestmark = [pytest.mark.server, pytest.mark.slow]

EVERYWHERE = {"/health/live", "/health/ready", "/metrics"}
PAGES = ("README.md", "docs/golden.md")
"""In the order in which a reader goes on, in one shell."""
STEPS = [
    pytest.param(step, id=f"{page}-line-{step.block.line}")
    for page in PAGES
    for step in markdown.steps((PROJECT / page).read_text(encoding="utf-8"))
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.at(tmp_path_factory.mktemp("docs") / "home")
    with running(home):
        yield home


@pytest.fixture(scope="module")
def shell(home: Home) -> Iterator[Shell]:
    if shutil.which("curl") is None:
        pytest.skip("the tours need curl")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = Shell(PROJECT, {"CUSTLOG_HOME": str(home.data), "COLUMNS": "100", "PATH": programs})
    yield shell
    shell.close()


@pytest.mark.parametrize("step", STEPS)
async def test_the_commands_work_and_print_what_the_page_shows(home: Home, shell: Shell, step: Step) -> None:
    needed = step.block.info.split()[1:]
    if absent := [program for program in needed if shutil.which(program) is None]:
        pytest.skip(f"this machine has no {absent[0]}")
    # A reader takes longer to go on than the views need to follow.
    async with client.connect(home, "reader", "viewer") as reader:
        await client.caught_up(reader)

    ran = shell.run(step.block.text)

    assert not ran.failed, ran.output
    assert step.shown is None or not markdown.missing(step.shown, ran.output), ran.output


async def test_the_services_have_the_addresses_and_checks_that_the_pages_list(home: Home) -> None:
    checks = {name.strip("`") for name, _ in tables.rows_under("operations.md", "## Status and health")}
    async with client.connect(home, "reader", "viewer") as reader:
        said = await reader.ready()
        for service in tables.SERVICES:
            described = await reader.get(service, "/openapi.json")
            # The test clock's addresses are there only with a test clock; OpenAPI names no converters.
            listed = {row[0].strip("`").split()[1].replace(":path}", "}") for row in tables.addresses(service)}
            served = set(described["paths"]) - EVERYWHERE
            assert listed - {"/clock", "/timers/run"} == served

    assert {check for answer in said.values() for check in answer["checks"]} == checks
