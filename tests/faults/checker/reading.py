"""Reads all evidence of a run, from a system that is up and quiet. Nothing is changed anywhere."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from deploy.auditing import Auditing, Trust
from deploy.client import Client, connect, running_state
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import database_url, open_history
from shared.access.policy import ROLES
from shared.audit.inspection import Verdict
from shared.privacy.ledger import Ledger
from shared.settings import Settings
from tests.faults.checker.evidence import Erasures, Evidence, Json, Logged, OnTopic, Spooled
from tests.faults.checker.sources import leaks, run, topics, views
from tests.faults.checker.sources.logs import Tables
from tests.faults.folder import read_lines
from tests.faults.people import CANARY, CANARY_PHONE

LOGS = ("customer", "identity", "notifications", "access")
NEEDLES = (CANARY.lower().encode(), CANARY_PHONE.encode())
PARTITIONS: int = Settings.model_fields["partitions"].default
OF_CUSTOMERS = (
    ("identity", "match keys", "SELECT DISTINCT customer::text FROM evidence"),
    ("identity", "profiles", "SELECT customer::text FROM profiles WHERE ct IS NOT NULL"),
    ("notifications", "reminders", "SELECT DISTINCT customer::text FROM timers"),
    ("notifications", "messages", "SELECT DISTINCT customer::text FROM deliveries"),
)
"""Log, what it is, and whom tables that are made from personal data tell of."""
CUSTOMERS_ASKED_FOR = 200
NUMBERS_ASKED_FOR = 50
TRIES = 20
"""A timer may fire while the evidence is read: then it is read again, so that its parts belong together."""
QUIET_SECONDS = 10.0
ANSWER_SECONDS = 20.0
_AT_ONCE = 8


async def read(folder: Path, home: Home | None = None) -> Evidence:
    """All evidence of the run in this folder. EmbeddedError if its system is not up."""
    about = run.read_json(folder / "run.json")
    home = home or Home(Path(about["home"]))
    noted = Evidence(
        seed=about.get("seed", 0),
        rested=about.get("settled_seconds", 0) is not None,
        settled_seconds=about.get("settled_seconds"),
        attempts=run.attempts(read_lines(folder / "history.jsonl")),
        faults=run.faults(read_lines(folder / "faults.jsonl")),
        samples=read_lines(folder / "samples.jsonl"),
        counters=run.read_json(folder / "counters.json"),
        partitions=PARTITIONS,
    )
    with open_history(home) as history:
        tables = Tables(history, database_url(running_state(home).servers["postgres"].url, "keyring"))
        async with connect(home, "checker", *ROLES) as client:
            client.http.timeout = httpx.Timeout(ANSWER_SECONDS)
            for _ in range(TRIES):
                ready = await _quiet(client)
                heads = tables.heads()
                found = await _stored(replace(noted, ready=ready, read_at=datetime.now(UTC)), tables, client)
                found = replace(found, erasures=_erasures(home, tables, found))
                if tables.heads() == heads and not _lags(await client.ready()):
                    break
            found = await _asked(found, client)
    found = replace(found, inspected=await asyncio.to_thread(_inspected, home, found.logs))
    return replace(found, spool=_spool(home.spool), leaks=sorted(set(_leaks(home, found.logs, found.topics))))


def _erasures(home: Home, tables: Tables, found: Evidence) -> Erasures:
    left = {f"{log} {name}": tables.left(log, statement) for log, name, statement in OF_CUSTOMERS}
    copies = {f"view {view}": held_in(documents) for view, documents in found.views.items()}
    return Erasures(frozenset(Ledger(home.erasures).subjects()), tables.keys(), {**left, **copies})


def held_in(documents: Iterable[Json]) -> frozenset[str]:
    """The customers of whom documents hold a sealed part, or a name or telephone number in the clear."""
    held: set[str] = set()
    waiting: list[Any] = list(documents)
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if part.get("ct") and part.get("subject"):
                held.add(part["subject"])
            if "customer" in part and (isinstance(part.get("name"), str) or part.get("words") or part.get("phones")):
                held.add(part["customer"])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return frozenset(held)


def _inspected(home: Home, logs: Mapping[str, Sequence[Logged]]) -> dict[str, Verdict]:
    """Every log at a checkpoint that has all its records, or at the newest after QUIET_SECONDS."""
    auditing, trust = Auditing(home), Trust.of_system(home.audit_keys)
    found: dict[str, Verdict] = {}
    deadline = time.monotonic() + QUIET_SECONDS
    for log, rows in logs.items():
        found[log] = auditing.verify(log, trust)
        while found[log].ok and found[log].size < len(rows) and time.monotonic() < deadline:
            time.sleep(0.2)
            found[log] = auditing.verify(log, trust)
    return found


async def _quiet(client: Client) -> Mapping[str, Json]:
    """What every service says of itself once nothing is behind, at the latest after QUIET_SECONDS."""
    ready: Mapping[str, Json] = {}
    try:
        async with asyncio.timeout(QUIET_SECONDS):
            while True:
                ready = await client.ready()
                if all(said.get("ok") for said in ready.values()) and not _lags(ready):
                    return ready
                await asyncio.sleep(0.2)
    except TimeoutError:
        return ready


def _lags(ready: Mapping[str, Json]) -> bool:
    """Whether somebody is behind, or does not know."""
    return any(lag != 0 for said in ready.values() for lag in (said.get("lag") or {}).values())


async def _stored(noted: Evidence, tables: Tables, client: Client) -> Evidence:
    servers = client.state.servers
    logs = {log: tables.log(log) for log in LOGS}
    records = await topics.read(servers["kafka"].url, [f"{log}.events" for log in LOGS], PARTITIONS)
    mongo = await views.read(servers["mongo"].url)
    return replace(
        noted,
        logs=logs,
        topics=records,
        views=mongo.documents,
        marks=mongo.marks,
        remembered={log: tables.remembered(log) for log in LOGS},
        reservations={log: tables.reservations(log) for log in LOGS},
        members=tables.members(),
        links=tables.links(),
        deliveries=tables.deliveries(),
        positions={
            "identity": tables.positions("identity"),
            "notifications": tables.positions("notifications"),
            "projections": mongo.positions,
        },
        parked={
            "identity": tables.parked("identity"),
            "notifications": tables.parked("notifications"),
            "projections": mongo.parked,
        },
    )


async def _asked(found: Evidence, client: Client) -> Evidence:
    """With the answers to questions about customers and numbers chosen by the seed."""
    rng = random.Random(found.seed)
    registered = sorted({e.customer for e in found.events("customer") if e.type == "customer.registered"})
    numbers = [e.data.number for e in found.events("identity") if e.type == "identity.number_assigned"]  # type: ignore[attr-defined]
    customers = rng.sample(registered, min(CUSTOMERS_ASKED_FOR, len(registered)))
    chosen = rng.sample(numbers, min(NUMBERS_ASKED_FOR, len(numbers)))
    answers = await _all(client, "projections", "/customers", customers)
    owners = await _all(client, "identity", "/numbers", chosen)
    return replace(
        found,
        answers=answers,
        numbers={number: answer and answer.get("customer") for number, answer in owners.items()},
    )


async def _all(client: Client, service: str, path: str, names: Sequence[str]) -> dict[str, Any]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(name: str) -> Any:
        async with gate:
            try:
                return await client.get(service, f"{path}/{quote(name)}")
            except (EmbeddedError, httpx.HTTPError, ValueError):
                return None

    return dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True))


def _spool(folder: Path) -> list[Spooled]:
    """Finished messages, with the receiver or still waiting for it."""
    files = [*folder.glob("*.json"), *(folder / "taken").glob("*.json")]
    return [Spooled(path.stem, _content(path)) for path in files if not path.name.startswith(".")]


def _content(path: Path) -> Json:
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _leaks(home: Home, logs: Mapping[str, Sequence[Logged]], records: Mapping[str, Sequence[OnTopic]]) -> list[str]:
    folders = [home.logs, home.data / "postgres", home.data / "kafka"]
    return [*leaks.in_files(folders, NEEDLES), *leaks.in_records(logs.values(), records.values(), NEEDLES)]
