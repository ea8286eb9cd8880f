"""The checker against a small real system: green as it is, red at the right place once something is damaged."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from pymongo import MongoClient

from deploy.client import Client, caught_up, connect
from deploy.embedded.home import Home
from deploy.embedded.running import running
from shared.events.envelope import instant
from shared.ids import derive
from tests.faults.checker.invariants import judge
from tests.faults.checker.reading import read

pytestmark = [pytest.mark.server, pytest.mark.slow]

USER = "load-manager"


class Scribe:
    """A tiny load: sends commands one after another and writes the history of a run."""

    def __init__(self, folder: Path, client: Client) -> None:
        self._folder = folder
        self._client = client
        self._began = time.monotonic()
        self._numbers = itertools.count(1)

    def note(self, **line: Any) -> None:
        with (self._folder / "history.jsonl").open("ab") as file:
            file.write(orjson.dumps({"at": time.monotonic() - self._began, **line}) + b"\n")

    async def send(self, method: str, service: str, path: str, body: Any, *, key: str | None = None) -> Any:
        """One command; answers what was answered."""
        n = next(self._numbers)
        key = key or f"key-{n}"
        self.note(
            n=n, attempt=1, event="invoke", op="command", service=service, user=USER, key=key,
            command=derive("command", USER, key), method=method, path=path, body=body, customer=None, expect=None,
        )  # fmt: skip
        headers = self._client.headers({"Idempotency-Key": key, "If-Match": '"1"'})
        answer = await self._client.http.request(
            method,
            self._client.url(service, path),
            json=body,
            headers=headers if method == "PATCH" else _plain(headers),
        )
        event = "ok" if answer.is_success else "fail"
        self.note(n=n, attempt=1, event=event, status=answer.status_code, answer=answer.json(), replayed=False)
        return answer.json()

    async def import_rows(self, source: str, rows: list[Any]) -> None:
        n = next(self._numbers)
        self.note(
            n=n, attempt=1, event="invoke", op="import", service="customer", user=USER, key="file", command="",
            method="POST", path="/intake", body={"source": source, "rows": rows}, customer=None, expect=None,
        )  # fmt: skip
        answer = await self._client.http.post(
            self._client.url("customer", "/intake"),
            params={"source": source},
            content=b"\n".join(map(orjson.dumps, rows)),
            headers=self._client.headers({"Idempotency-Key": "file", "Content-Type": "application/x-ndjson"}),
        )
        lines = [line for line in map(orjson.loads, answer.text.splitlines()) if "row" in line]
        self.note(n=n, attempt=1, event="ok", status=answer.status_code, answer=None, replayed=False, rows=lines)


def _plain(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "If-Match"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def home(folder: Path) -> Iterator[Home]:
    home = Home.at(folder / "home")
    with running(home):
        (folder / "run.json").write_bytes(orjson.dumps({"seed": 7, "home": str(home.data)}))
        yield home


@pytest.fixture(scope="module", autouse=True)
async def load(folder: Path, home: Home) -> None:
    async with connect(home, USER, "manager", "import", "operator") as client:
        await _sixty_commands(Scribe(folder, client))
        await caught_up(client)
        deadline = time.monotonic() + 30
        while not list(home.spool.glob("*.json")):
            assert time.monotonic() < deadline, "the reminder did not fire"
            await asyncio.sleep(0.1)
        await caught_up(client)


async def _sixty_commands(scribe: Scribe) -> None:
    customers = []
    for n in range(12):
        answer = await scribe.send("POST", "customer", "/customers", _person(n), key=f"register-{n}")
        customers.append(answer["id"])
    await scribe.send("POST", "customer", "/customers", _person(0), key="register-0")
    await scribe.send("POST", "customer", "/customers", _person(99), key="register-0")
    for n, customer in enumerate(customers):
        await scribe.send("PATCH", "customer", f"/customers/{customer}", {"tags": ["a", "b"], "owner": f"u{n}"})
        contact = {"kind": "phone", "value": f"+61 2 5550 {n:04}"}
        await scribe.send("POST", "customer", f"/customers/{customer}/add-contact-point", contact)
        await scribe.send("POST", "customer", f"/customers/{customer}/add-contact-point", contact)
    for customer in customers[:4]:
        order = await scribe.send("POST", "customer", f"/customers/{customer}/orders", _order())
        await scribe.send("POST", "customer", f"/orders/{order['id']}/pay", {"amount": "7.50", "method": "card"})
        ticket = {"topic": "delivery", "summary": "Canarytext asks"}
        await scribe.send("POST", "customer", f"/customers/{customer}/tickets", ticket)
    await scribe.send("POST", "customer", f"/customers/{customers[5]}/archive", {"reason": "moved"})
    await scribe.import_rows("file", [{**_person(n), "source": "file", "external_id": f"f-{n}"} for n in range(20, 30)])
    await caught_up(scribe._client)
    for a, b in ((0, 1), (1, 2), (3, 4)):
        await scribe.send("POST", "identity", "/links", {"a": customers[a], "b": customers[b], "reason": "seen"})
    await scribe.send("POST", "identity", "/separations", {"a": customers[1], "b": customers[0], "reason": "not so"})
    reminder: dict[str, Any] = {}
    for n, seconds in enumerate((1.5, 3600.0, 3600.0)):
        due = instant(datetime.now(UTC) + timedelta(seconds=seconds))
        body = {"customer": customers[n], "due_at": due, "note": "Canarytext call"}
        reminder = await scribe.send("POST", "notifications", "/reminders", body)
    await scribe.send("POST", "notifications", f"/reminders/{reminder['id']}/cancel", {"reason": "done"})


def _person(n: int) -> dict[str, Any]:
    return {
        "kind": "person",
        "name": {"full": f"Given{n} Canaryname{n}", "given": f"Given{n}", "family": f"Canaryname{n}"},
        "source": "desk",
        "external_id": f"d-{n}",
        "phones": [f"+614990{n:06}"],
        "emails": [f"canary{n}@Canary.example"],
        "birth_date": f"19{40 + n}-02-03",
        "identifiers": [{"type": "social", "value": f"CANARY-{n:06}"}],
        "tags": ["x"],
    }


def _order() -> dict[str, Any]:
    line = {"product": "p1", "quantity": "1", "amount": "7.50"}
    return {"reference": "r-1", "currency": "EUR", "total": "7.50", "lines": [line]}


def _red(answer: dict[str, Any]) -> set[str]:
    return {name for name, found in answer["invariants"].items() if found["ok"] is False}


async def test_an_undisturbed_run_is_green_and_void(folder: Path) -> None:
    answer = judge(await read(folder))

    assert not _red(answer), orjson.dumps(answer["invariants"]).decode()
    assert answer["figures"]["I1"]["acknowledged"] > 50
    assert answer["figures"]["I7"]["reminders_fired"] == 1
    assert "a conflict" in answer["void"]


async def test_the_program_prints_its_verdict_as_the_last_line_and_by_its_exit_code(folder: Path, home: Home) -> None:
    command = [sys.executable, "-m", "tests.faults.checker"]
    judged = await asyncio.create_subprocess_exec(*command, str(folder), stdout=asyncio.subprocess.PIPE)
    nothing = await asyncio.create_subprocess_exec(*command, str(folder / "x"), stderr=asyncio.subprocess.PIPE)

    said, _ = await judged.communicate()
    _, why = await nothing.communicate()

    assert orjson.loads(said.splitlines()[-1])["verdict"] == "green"
    assert (judged.returncode, nothing.returncode) == (0, 2)
    assert b"cannot be judged" in why


def _delete_an_event(home: Home) -> None:
    _in_log(home, "customer", "DELETE FROM events WHERE notification_id = 20")


def _change_a_document(home: Home) -> None:
    state = home.read_state()
    assert state is not None
    with MongoClient[dict[str, Any]](state.servers["mongo"].url) as client:
        database = client["custlog"]
        alias = database["aliases"].find_one({"_id": "customer"})
        assert alias is not None
        database[alias["active"]].update_one({"members.archived": False}, {"$set": {"members.0.tags": ["zzz"]}})


def _lose_a_message(home: Home) -> None:
    next(home.spool.glob("*.json")).unlink()


def _move_a_member(home: Home) -> None:
    _in_log(home, "identity", "UPDATE members SET identity = customer WHERE identity <> customer")


def _forget_an_answer(home: Home) -> None:
    _in_log(home, "customer", "DELETE FROM commands WHERE position = 3")


def _write_a_canary(home: Home) -> None:
    (home.logs / "loud.log").write_text("somebody said Canaryname7\n")


def _in_log(home: Home, log: str, statement: str) -> None:
    state = home.read_state()
    assert state is not None
    address = state.servers["postgres"].url.rsplit("/", 1)[0]
    with psycopg.connect(f"{address}/{log}", autocommit=True) as connection:
        assert connection.execute(statement.encode()).rowcount > 0


@pytest.mark.parametrize(
    ("damage", "invariants"),
    [
        (_forget_an_answer, {"I1"}),
        (_lose_a_message, {"I7"}),
        (_write_a_canary, {"I9"}),
        (_move_a_member, {"I6"}),
        (_change_a_document, {"I4"}),
        (_delete_an_event, {"I1", "I2", "I3"}),
    ],
)
async def test_damage_is_seen_where_it_was_done(
    folder: Path, home: Home, damage: Callable[[Home], None], invariants: set[str]
) -> None:
    damage(home)

    assert invariants <= _red(judge(await read(folder)))
