"""`custlog identity assert` and `labels`: what they send and write, with the service itself behind them in memory."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from deploy.commands.identity import ROWS, send, write_labels
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from services.identity.issuing.leases import Leases
from services.identity.issuing.numbers import Numbers
from services.identity.issuing.questions import Questions
from services.identity.issuing.rules import Rules
from services.identity.numbering.rule import render
from services.identity.numbers_api import numbers
from services.identity.steward_api import assertions
from shared.access.tokens import Verifier, make_issuer
from shared.clock import SystemClock
from shared.http import Readiness, create_app
from shared.settings import Settings
from tests.deploy.other_system import Inside
from tests.identity.test_stewardship import Desk
from tests.support.memory import in_memory


@pytest.fixture(autouse=True, scope="module")
def _stand_ins() -> Iterator[None]:
    with in_memory():
        yield


@pytest.fixture
def desk() -> Desk:
    return Desk(4)


@pytest.fixture
async def client(desk: Desk, tmp_path: Path) -> AsyncIterator[Inside]:
    async def ready() -> Readiness:
        return Readiness(ok=True)

    home, clock, log = Home.at(tmp_path / "home"), SystemClock(), desk.log
    verifier = Verifier.from_file(make_issuer(home.keys), "custlog", "custlog")
    about_numbers = numbers(Numbers(log, clock), Rules(log, clock), Leases(log, clock), Questions(log))
    app = create_app(Settings(service="identity"), verifier, [assertions(desk.stewardship), about_numbers], ready)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, timeout=60) as http:
        yield Inside(home, "steward", ("manager",), http)


def written(file: Path, *lines: str) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(("says,a,b,reason", *lines)), encoding="utf-8")
    return file


async def test_another_file_of_the_same_name_is_another_command_and_the_same_one_changes_nothing(
    client: Inside, desk: Desk, tmp_path: Path
) -> None:
    a, b, c, _ = desk.ids
    first = written(tmp_path / "one" / "said.csv", f"same,{a},{b},seen")
    second = written(tmp_path / "two" / "said.csv", f"same,{b},{c},seen")

    told = [*await send(client, first), *await send(client, second)]
    head = desk.log.head()
    again = await send(client, first)

    assert [(row["status"], row["recorded"]) for row in told] == [(200, True), (200, True)]
    assert (desk.groups(), desk.log.head(), again) == ({frozenset({0, 1, 2})}, head, told[:1])


@pytest.mark.parametrize("strange", ["X/1?#", "..", "%2F", "x" * 300, "0" * 37])
async def test_what_is_no_number_costs_its_row_alone(client: Inside, desk: Desk, tmp_path: Path, strange: str) -> None:
    file = written(tmp_path / "said.csv", f"never,{strange},{desk.ids[1]},x", f"same,{render(1)},{render(2)},x")

    told = await send(client, file)

    assert [(row["status"], row["detail"]) for row in told] == [(422, "these are missing or wrong: a"), (200, None)]
    assert desk.groups() == {frozenset({0, 1})}


async def test_a_cell_too_many_costs_its_row_alone_and_a_never_is_recorded(
    client: Inside, desk: Desk, tmp_path: Path
) -> None:
    a, b, c, _ = desk.ids
    file = written(tmp_path / "said.csv", f"same,{a},{b},seen, twice", f"never,{a},{c},seen")

    told = await send(client, file)

    assert [(row["status"], row["recorded"], row["changed"]) for row in told] == [
        (422, False, False),
        (200, True, False),
    ]


async def test_a_long_file_goes_in_several_requests(client: Inside, desk: Desk, tmp_path: Path) -> None:
    a, b, *_ = desk.ids
    file = written(tmp_path / "said.csv", *[f"never,{a},{b},seen"] * (2 * ROWS + 1))

    told = await send(client, file)

    assert [row["row"] for row in told] == list(range(1, 2 * ROWS + 2))
    assert sum(row["recorded"] for row in told) == 1


async def test_labels_are_written_whole_or_refused_with_a_sentence(client: Inside, desk: Desk, tmp_path: Path) -> None:
    desk.say("same", 0, 1)
    desk.say("never", 0, 2)

    assert await write_labels(client, tmp_path / "labels.csv") == 2
    with pytest.raises(EmbeddedError, match="cannot be written"):
        await write_labels(client, tmp_path / "nowhere" / "labels.csv")

    with (tmp_path / "labels.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["id_a"], row["same"], row["author"]) for row in csv.DictReader(file)] == [
            (desk.ids[0], "1", "ann"),
            (desk.ids[0], "0", "ann"),
        ]
