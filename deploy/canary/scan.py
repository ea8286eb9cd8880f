"""One scan of a running system for the values of one customer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from deploy import client
from deploy.canary import needles, places
from deploy.canary.needles import Needles
from deploy.canary.report import Place, Report
from deploy.canary.search import Search
from deploy.client import running_state
from deploy.embedded.home import Home
from deploy.history import History
from shared.clock import SystemClock
from shared.events.envelope import instant

READER = "erasure-scan"
"""The account under which the services are asked what they show."""

Tell = Callable[[str], None]


def values_of(history: History, home: Home, customer: str) -> Needles:
    """What is to be searched for, asked while the customer's key is there: what only this customer has.

    That is personal data. Hold it for as long as the command lasts, and record the access.
    """
    members = history.members(customer)
    found = needles.of_events(history.of_customers([customer]), customer)
    shared: set[bytes] = set()
    for other in members:
        if other != customer:
            shared |= found.also_of(needles.of_events(history.of_customers([other]), other))
    url = running_state(home).servers["mongo"].url
    shared |= places.forms_of_others(url, found.every, members)
    return found.without(shared)


async def scan(home: Home, customer: str, sought: Needles, also: Sequence[Path], tell: Tell) -> Report:
    """Reads everything that the system keeps, and `also` these folders: backups, exports.

    Raises EmbeddedError if it is not up, the drivers' errors if a server is away.
    """
    began = time.monotonic()
    state, search, control = running_state(home), Search(sought.forms), customer.encode()
    servers = {name: running.url for name, running in state.servers.items()}
    tell("Searching databases, topics, answers and files")
    folders = [folder for folder in (*_own(home), *also) if folder.exists()]
    # Files in a process of their own: both cores search.
    with ProcessPoolExecutor(1, get_context("spawn")) as beside:
        on_disk = beside.submit(_files, sought, folders, control)
        found = await asyncio.to_thread(lambda: list(places.postgres(servers["postgres"], search, control)))
        found += await asyncio.to_thread(lambda: list(places.mongo(servers["mongo"], search, control)))
        found += await places.kafka(servers["kafka"], search, control)
        async with client.connect(home, READER, "auditor", "manager", "admin", "operator") as reader:
            found += await places.answers(reader, questions(customer), search)
        views = f"{home.data.name}/mongo"
        found += [replace(place, residue=place.name == views) for place in await asyncio.wrap_future(on_disk)]
    seconds = round(time.monotonic() - began, 2)
    return Report(instant(SystemClock().now()), seconds, sought.values, sought.left_out, found)


def _files(sought: Needles, folders: Sequence[Path], control: bytes) -> list[Place]:
    return list(places.files(folders, Search(sought.forms), control))


def questions(customer: str) -> list[tuple[str, str]]:
    """Every (service, address) that may show something of a customer."""
    shown = [f"/customers/{customer}{rest}" for rest in ("", "/golden", "/timeline?limit=200")]
    return [*(("projections", path) for path in (*shown, f"/directory?after={customer}&limit=200"))]


def _own(home: Home) -> list[Path]:
    monitor = home.data.with_name(f"{home.data.name}-monitor")
    return [home.data, home.keys, home.witness, monitor]
