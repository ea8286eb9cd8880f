"""The trail misses nothing: whatever an auditor may ask for is done once, and found by asking."""

from __future__ import annotations

import asyncio
import csv
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.client import Client, caught_up, connect
from deploy.embedded.home import PROJECT, Home
from deploy.embedded.running import running
from tests.docs.tables import rows_under
from tests.e2e.system import files_in

pytestmark = [pytest.mark.server, pytest.mark.slow]

DEADLINE_SECONDS = 30
PERSONAL = ("Ann Planted", "Ben Planted", "P765432", "15550177")


def run(home: Home, *words: str, ok: bool = True) -> str:
    """What a command of `custlog` prints on standard output, or on standard error if it has to fail."""
    command = [sys.executable, "-c", "from deploy.cli import main; main()", *words, "--home", str(home.data)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout if ok else done.stderr


def told(home: Home, *words: str) -> Any:
    return json.loads(run(home, "audit", *words, "--json"))


def asked(home: Home, *words: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = told(home, "query", *words)["items"]
    return items


def found(home: Home, *words: str) -> dict[str, Any]:
    """The newest record that is asked for; refusals are written within a second."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (items := asked(home, *words)):
        assert time.monotonic() < deadline, f"nothing is found by {words}"
    return items[0]


@dataclass(frozen=True)
class Done:
    """A system in which everything was done once, by accounts with names of their own."""

    home: Home
    ann: str
    ben: str
    gone: str
    before: str
    after: str
    auditor: str
    folder: Path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("trail")
    home = Home.at(folder / "home")
    with running(home):
        before = datetime.now(UTC).isoformat()
        auditor = run(home, "token", "--user", "auditor-1", "--role", "auditor").strip()
        ann, ben, gone = asyncio.run(everything(home))
        yield Done(home, ann, ben, gone, before, datetime.now(UTC).isoformat(), auditor, folder)


async def everything(home: Home) -> tuple[str, str, str]:
    async with (
        connect(home, "desk-1", "sales") as desk,
        connect(home, "manager-1", "manager") as manager,
        connect(home, "curious-1", "manager") as curious,
        connect(home, "viewer-1", "viewer") as viewer,
    ):
        ann, ben, gone = [await register(desk, name) for name in ("Ann", "Ben", "Cem")]
        await caught_up(desk)
        await curious.get("projections", f"/customers/{ann}")
        await curious.get("projections", f"/customers/{ben}")
        await manager.send("POST", "identity", "/links", {"a": ann, "b": ben, "reason": "same person"})
        await desk.send("POST", "customer", f"/customers/{gone}/request-erasure", {"reason": "asked"})
        await manager.send("POST", "customer", f"/customers/{gone}/approve-erasure", {})
        await viewer.http.post(viewer.url("customer", "/customers"), json={}, headers=viewer.headers())
        await viewer.http.get(viewer.url("projections", f"/customers/{ann}"), headers={"Authorization": "Bearer x"})
        await caught_up(desk)
    return ann, ben, gone


async def register(desk: Client, name: str) -> str:
    body = {
        "kind": "person",
        "source": "form",
        "external_id": name.lower(),
        "name": f"{name} Planted",
        "phones": ["+1 555 0177"] if name == "Ann" else [],
        "identifiers": [{"type": "passport", "value": f"P765432{1 + len(name) % 2}{name}"}],
    }
    answer = await desk.send("POST", "customer", "/customers", body)
    customer: str = answer.json()["id"]
    return customer


def test_a_read_of_sensitive_fields_is_found_by_reader_and_by_customer(done: Done) -> None:
    read = found(done.home, "--actor", "curious-1", "--kind", "access.personal_data_read", "--customer", done.ann)

    assert read["customer"] in {done.ann, done.ben}
    assert read["data"]["operation"] == "GET /customers/{ref}"
    assert {"name", "identifiers"} <= set(read["data"]["fields"])


def test_a_merge_is_found(done: Done) -> None:
    link = found(done.home, "--kind", "identity.linked", "--actor", "manager-1")

    assert {link["data"]["a"], link["data"]["b"]} == {done.ann, done.ben}


def test_a_grant_of_rights_is_found(done: Done) -> None:
    grant = found(done.home, "--kind", "access.token_issued", "--oldest")

    assert (grant["data"]["account"], grant["data"]["roles"]) == ("auditor-1", ["auditor"])


def test_an_erasure_is_found_with_who_asked_and_who_approved(done: Done) -> None:
    erased = found(done.home, "--kind", "customer.erased", "--customer", done.gone)
    steps = asked(done.home, "--kind", "customer.erasure_*", "--customer", done.gone, "--oldest")

    assert erased["customer"] == done.gone
    assert [(step["type"], step["actor"]) for step in steps] == [
        ("customer.erasure_requested.v1", "user:desk-1"),
        ("customer.erasure_approved.v1", "user:manager-1"),
    ]


def test_a_failed_login_is_found(done: Done) -> None:
    failed = found(done.home, "--kind", "access.login_failed")

    assert failed["actor"] == "user:anonymous"
    assert failed["data"]["reason"] == "not-a-token"


def test_a_refused_command_is_found_by_who_tried(done: Done) -> None:
    refused = found(done.home, "--actor", "viewer-1")

    assert refused["type"] == "access.command_refused.v1"
    assert (refused["data"]["operation"], refused["data"]["status"]) == ("POST /customers", 403)


def test_what_one_command_did_is_found_in_every_log(done: Done) -> None:
    registered = found(done.home, "--kind", "customer.registered", "--customer", done.gone)

    of_command = asked(done.home, "--command", registered["command"])
    of_request = asked(done.home, "--correlation", registered["correlation"], "--oldest")

    assert registered in of_command
    assert {"customer", "identity"} <= {each["log"] for each in of_request}


def test_pages_and_lines_tell_the_same_as_one_answer_and_as_reading_everything(done: Done) -> None:
    words = ("--from", done.before, "--to", done.after)
    whole = asked(done.home, *words, "--limit", "1000", "--whole")
    page = told(done.home, "query", *words, "--limit", "5")
    next_page = told(done.home, "query", *words, "--limit", "5", "--after", page["after"])
    lines = run(done.home, "audit", "query", *words, "--limit", "1000", "--lines").splitlines()

    assert whole == asked(done.home, *words, "--limit", "1000")
    assert page["items"] + next_page["items"] == whole[:10]
    assert [json.loads(line) for line in lines] == whole


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_an_export_is_recorded_with_its_watermark_and_the_watermark_tells_of_it(done: Done, suffix: str) -> None:
    file = done.folder / f"out.{suffix}"
    words = ("--actor", "desk-1", "--export", str(file), "--token", done.auditor, "--purpose", "case-7")

    written = told(done.home, "query", *words)

    text = file.read_text()
    rows = list(csv.DictReader(text.splitlines())) if suffix == "csv" else [json.loads(x) for x in text.splitlines()]
    assert written["rows"] == len(rows) > 0
    assert {row["watermark"] for row in rows} == {written["watermark"]}
    (export,) = told(done.home, "watermark", written["watermark"])["exports"]
    assert (export["actor"], export["what"], export["purpose"]) == ("user:auditor-1", "audit.query", "case-7")
    assert (export["rows"], export["reason"]) == (len(rows), "actor=desk-1")
    assert found(done.home, "--kind", "access.exported")["data"]["watermark"] == written["watermark"]


def test_a_bundle_that_discloses_is_recorded_with_whom_it_shows_and_is_known_again(done: Done) -> None:
    bundle = done.folder / "bundle.zip"

    proved = json.loads(
        run(done.home, "audit", "prove", done.ann, "-o", str(bundle), "--disclose", "--token", done.auditor, "--json")
    )

    (export,) = told(done.home, "watermark", "--file", str(bundle))["exports"]
    assert (export["what"], export["watermark"]) == ("audit.bundle.disclosed", proved["watermark"])
    assert (export["actor"], export["customer"]) == ("user:auditor-1", done.ann)
    shown = asked(done.home, "--actor", "auditor-1", "--kind", "access.personal_data_read", "--customer", done.ann)
    fields = {each["customer"]: set(each["data"]["fields"]) for each in shown if "prove" in each["data"]["operation"]}
    assert {"name", "identifiers", "contact_points"} <= fields[done.ann]
    assert "name" in fields[done.ben]
    other = done.folder / "other.zip"
    other.write_bytes(bundle.read_bytes() + b" ")
    assert "No such export was recorded" in run(done.home, "audit", "watermark", "--file", str(other), ok=False)


def test_a_backup_is_an_export_too(done: Done) -> None:
    made = json.loads(run(done.home, "backup", "--to", str(done.folder / "backup"), "--json"))

    (export,) = told(done.home, "watermark", made["watermark"])["exports"]
    assert export["what"] == "backup"
    assert 0 < export["rows"] <= sum(made["heads"].values())


def test_the_drill_lists_whose_fields_the_account_read_and_is_itself_recorded(done: Done) -> None:
    file = done.folder / "exposed.csv"
    words = ("exposed", "--actor", "curious-1", "--from", done.before, "--to", done.after)

    exposed = told(done.home, *words)
    written = told(done.home, *words, "--export", str(file))

    assert {each["customer"] for each in exposed["customers"]} == {done.ann, done.ben}
    assert all({"name", "identifiers"} <= set(each["fields"]) for each in exposed["customers"])
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert len(rows) == exposed["reads"] == written["rows"] == 2
    for mark in (exposed["watermark"], written["watermark"]):
        (export,) = told(done.home, "watermark", mark)["exports"]
        assert export["what"] == "audit.exposed"


def test_why_shows_values_to_auditors_only_and_records_that_it_did(done: Done) -> None:
    hidden = told(done.home, "why", "form:ann", "phone")
    shown = told(done.home, "why", "form:ann", "phone", "--token", done.auditor, "--purpose", "case-8")

    assert hidden["now"]["hidden"] is True
    assert shown["now"]["value"] == "+15550177"
    assert shown["because"]["event"]["actor"] == "user:desk-1"
    read = found(done.home, "--actor", "auditor-1", "--kind", "access.personal_data_read", "--customer", done.ann)
    assert (read["data"]["operation"], read["data"]["fields"], read["purpose"]) == ("AUDIT why", ["contacts"], "case-8")
    assert "None of the roles" in run(
        done.home, "audit", "why", "form:ann", "phone", "--token", other_token(done.home), ok=False
    )


def other_token(home: Home) -> str:
    return run(home, "token", "--user", "desk-2", "--role", "sales").strip()


def test_a_difference_tells_of_the_merge(done: Done) -> None:
    words = ("diff", "form:ben", "--to", done.after, "--token", done.auditor)
    registered = found(done.home, "--kind", "customer.registered", "--customer", done.ben)

    difference = told(done.home, *words, "--from", registered["recorded_at"])

    changed = {each["field"]: each for each in difference["fields"]}
    assert changed["identity"]["after"]["value"] == done.ann
    assert "identity.linked.v2" in {event["type"] for event in difference["events"]}


def test_no_file_and_no_answer_of_the_trail_holds_personal_data(done: Done) -> None:
    answer = run(done.home, "audit", "query", "--limit", "1000", "--json")
    told_of_all = answer.encode() + b"".join(
        file.read_bytes() for file in files_in(done.folder) if file.suffix in {".csv", ".jsonl"}
    )

    assert told_of_all.count(b"customer.registered") >= 3
    assert not [word for word in PERSONAL if word.encode() in told_of_all]


@pytest.mark.parametrize("row", rows_under("audit.md", "## Asking the trail"), ids=lambda row: row[0])
def test_every_question_that_the_page_for_auditors_lists_has_an_answer(done: Done, row: tuple[str, ...]) -> None:
    some = {
        "C00000045": "form:ann",
        "2026-05-01": done.before,
        "2026-06-01": done.after,
        "u1": "desk-1",
    }
    words = [some.get(word, word) for word in shlex.split(row[1].strip("`"))]
    assert words.pop(0) == "custlog"
    if words[-2:] == ["--correlation", "ID"]:
        words[-1] = found(done.home, "--kind", "customer.registered")["correlation"]
    if words[-2:] == ["watermark", "ID"]:
        words[-1] = told(done.home, "exposed", "--actor", "x", "--from", done.before, "--to", done.after)["watermark"]

    assert run(done.home, *words)


def test_what_is_no_question_is_refused_in_a_sentence(done: Done) -> None:
    assert "no kind of event" in run(done.home, "audit", "query", "--kind", "nothing", ok=False)
    assert "is no instant" in run(done.home, "audit", "query", "--from", "yesterday", ok=False)
    assert "is no cursor" in run(done.home, "audit", "query", "--after", "x", ok=False)
    assert "is no watermark" in run(done.home, "audit", "watermark", "x", ok=False)
