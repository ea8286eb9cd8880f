"""The live base as a file: what was decided teaches a model, and the file's clusters are those of the service."""

from __future__ import annotations

import csv
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from deploy import client
from deploy.client import Client
from deploy.embedded.home import PROJECT, Home
from deploy.embedded.running import running
from deploy.history import open_history
from deploy.matching.base import COLUMNS
from services.identity.matching.evaluate import quality
from shared.events.access import about_actor
from tests.docs import markdown
from tests.docs.shell import Shell
from tests.e2e.system import custlog, on_files
from tests.support.population import generate

pytestmark = [pytest.mark.server, pytest.mark.slow]

PEOPLE = 300
IDENTIFIERS = ("national_id", "credit_code")
ADDRESS = {"locality": "city", "region": "state", "postcode": "postcode", "street_number": "street_number"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.at(tmp_path_factory.mktemp("base") / "home")
    people = home.data.parent / "people.ndjson"
    people.write_bytes(b"\n".join(map(orjson.dumps, registrations())))
    with running(home):
        custlog(home, "import", str(people), "--source", "crm")
        yield home


@asynccontextmanager
async def desk(home: Home, user: str = "steward", role: str = "manager") -> AsyncIterator[Client]:
    async with client.connect(home, user, role) as connected:
        await client.caught_up(connected)
        yield connected
        await client.caught_up(connected)


def registrations() -> Iterator[dict[str, Any]]:
    """A made-up population as the intake takes it: without dates that are none, and phones without a country."""
    for row in generate(PEOPLE, 7, chinese=0.2).rows:
        given, family, company = (row.get(name, "") for name in ("given_name", "surname", "company_name"))
        full = company or row.get("full_name") or f"{given} {family}"
        address: dict[str, Any] = {name: row[column] for name, column in ADDRESS.items() if row.get(column)}
        if street := row.get("street"):
            address["lines"] = [street]
        yield {
            "external_id": row["id"],
            "kind": "organisation" if company else "person",
            "name": {"full": full, **({"given": given, "family": family} if given and family else {})},
            "phones": [phone for phone in row.get("phone", "").split(";") if phone.strip().startswith("+")],
            "emails": [row["email"]] if row.get("email", "").isascii() and "@" in row.get("email", "") else [],
            **birth(row.get("birth_date", "")),
            **({"address": address} if address else {}),
            "identifiers": [{"type": name, "value": row[name]} for name in IDENTIFIERS if row.get(name)],
        }


async def tell(desk: Client, customer: str, command: str, body: Any) -> None:
    await desk.send("POST", "customer", f"/customers/{customer}/{command}", body)


def birth(text: str) -> dict[str, str]:
    try:
        return {"birth_date": date.fromisoformat(text).isoformat()}
    except ValueError:
        return {}


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def identities(home: Home) -> dict[str, str]:
    with open_history(home) as history:
        found = history.connections["identity"].execute("SELECT customer::text, identity::text FROM members").fetchall()
    return dict(found)


def exported(home: Home, folder: Path, user: str = "steward") -> tuple[Path, dict[str, Any]]:
    file = folder / "base.csv"
    return file, custlog(home, "identity", "export", "--out", str(file), "--user", user, "--reason", "calibration")


async def test_the_clusters_of_the_exported_base_are_those_of_the_service(home: Home, tmp_path: Path) -> None:
    async with desk(home):
        pass
    base, told = exported(home, tmp_path)
    known = identities(home)

    matched = on_files("match", str(base), "--as-is", "--out", str(tmp_path / "clusters.csv"))

    assert told["customers"] == matched["records"] == len(known)
    clusters = {row["id"]: row["entity_id"] for row in rows(tmp_path / "clusters.csv")}
    agreement = quality(clusters, known).closure
    assert len(set(known.values())) < 0.9 * len(known)
    # A file is weighed by its own size and by how often its own values occur.
    assert (agreement.recall > 0.95, agreement.f1 > 0.85) == (True, True), agreement


async def test_decisions_on_customers_teach_a_model_by_the_exported_base(home: Home, tmp_path: Path) -> None:
    known = identities(home)
    together = sorted((a, b) for a, b in combinations(sorted(known), 2) if known[a] == known[b])[:20]
    apart = list(pairwise(sorted(set(known.values()))))[:20]
    said = [("same", *ends) for ends in together] + [("never", *ends) for ends in apart]
    with (tmp_path / "said.csv").open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([("says", "a", "b", "reason"), *((*each, "looked at both") for each in said)])
    async with desk(home):
        custlog(home, "identity", "assert", str(tmp_path / "said.csv"))
    base, _ = exported(home, tmp_path)
    labels = tmp_path / "labels.csv"

    written = custlog(home, "identity", "labels", "--out", str(labels))
    words = ("--labels", str(labels), "--out", str(tmp_path / "model.json"))
    taught = on_files("match", "calibrate", str(base), *words)

    assert written["labels"] == taught["labels"] == len(said)
    assert taught["same"] == len(together)
    assert taught["right_after"] >= taught["right_before"]
    tried = on_files("match", "shadow", str(base), "--with", str(tmp_path / "model.json"), "--as-is")
    assert tried["records"] == len(known)


async def test_who_is_erased_or_restricted_is_not_exported_and_an_export_is_recorded(
    home: Home, tmp_path: Path
) -> None:
    known = identities(home)
    restricted, erased, *others = sorted(known)
    async with desk(home, "clerk", "service") as clerk:
        await tell(clerk, restricted, "restrict-processing", {"reason": "accuracy-contested"})
        await tell(clerk, erased, "request-erasure", {"reason": "wish"})
    async with desk(home) as steward:
        await tell(steward, erased, "approve-erasure", {})

    base, told = exported(home, tmp_path, "ines")

    found = rows(base)
    assert [row["id"] for row in found] == others
    assert list(found[0]) == [*COLUMNS, "watermark"]
    assert {row["watermark"] for row in found} == {told["watermark"]}
    assert stat.S_IMODE(base.stat().st_mode) == 0o600
    with open_history(home) as history:
        (left,) = history.reads([about_actor("ines")])
        reads = history.reads([restricted, erased, others[0]])
    assert (left.data.watermark, left.data.rows, left.data.reason) == (told["watermark"], len(others), "calibration")  # type: ignore[attr-defined]
    assert [event.customer for event in reads if event.actor.id == "ines"] == [others[0]]


async def test_labels_can_be_kept_to_the_customers_of_an_exported_base(home: Home, tmp_path: Path) -> None:
    base, _ = exported(home, tmp_path)
    every, some = tmp_path / "every.csv", tmp_path / "some.csv"

    custlog(home, "identity", "labels", "--out", str(every))
    custlog(home, "identity", "labels", "--out", str(some), "--of", str(base))

    known = {row["id"] for row in rows(base)}
    kept = [row for row in rows(every) if {row["id_a"], row["id_b"]} <= known]
    assert rows(some) == kept
    assert len(kept) < len(rows(every))


def test_the_commands_of_the_page_work_and_print_what_it_shows(home: Home) -> None:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = Shell(PROJECT, {"CUSTLOG_HOME": str(home.data), "COLUMNS": "160", "PATH": programs})

    for step in markdown.steps((PROJECT / "docs" / "identity.md").read_text(encoding="utf-8")):
        ran = shell.run(step.block.text)

        assert not ran.failed, ran.output
        assert step.shown is None or not markdown.missing(step.shown, ran.output), ran.output
    shell.close()
