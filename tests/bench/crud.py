"""Our customer service beside a plain CRUD service that one would write instead: the same requests over HTTP.

Both are one uvicorn process each, on the same PostgreSQL, asked by the same client at the same concurrency in turns.
What ours does more with each command: it verifies the caller's token and role, normalises and checks every field, seals
personal fields under the customer's own key, makes sure that a repeat under the same Idempotency-Key and an edit of an
outdated version change nothing, keeps what changed, when, by whom and why for ever, logs the request, and publishes the
event to Kafka (its relay works beside it in the same process).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Literal

import orjson

from deploy.embedded.home import Home
from deploy.embedded.service import ServiceProcess, ServiceSpec
from shared.access.tokens import issue
from shared.ids import uuid7
from tests.bench.measure import Plan, Result, Spread, calm, percentiles
from tests.bench.stand import Stand
from tests.bench.wire import Load, Request, send

CALLERS = (1, 32)
MOST_ROUNDS = 3
WARM_UP_SECONDS = 1.0
LEAST_SECONDS = 1.0
"""Connecting is among them."""
OURS, CRUD = "ours", "plain CRUD"
MORE = "token, role, normalising, sealing, idempotency, check of the version, history, request log, publishing"
_WAY = "one uvicorn process, a pool of 10 connections, shapes validated by pydantic; beside it ours has: " + MORE
_PACKAGES = ("fastapi", "asyncpg", "uvicorn", "pydantic", "psycopg")

Kind = Literal["register", "edit"]
Loads = dict[tuple[Kind, str], list[Load]]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two services."""

    url: str
    token: str

    async def register(self, callers: int, seconds: float) -> Load:
        """New customers."""
        return _checked(await send(self.url, self.token, _registrations(), callers=callers, seconds=seconds))

    async def edit(self, known: Load, callers: int, seconds: float) -> Load:
        """Another address for each of the customers that were registered, once."""
        return _checked(await send(self.url, self.token, _edits(known), callers=callers, seconds=seconds))


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """Registrations, then an edit of each customer."""
    stand.start(stand.postgres, stand.kafka)
    plan = replace(plan, seconds=max(plan.seconds, LEAST_SECONDS))
    with _running(stand) as sides:
        for side in sides.values():
            await side.edit(await side.register(CALLERS[-1], WARM_UP_SECONDS), CALLERS[-1], WARM_UP_SECONDS)
        results = []
        for callers in CALLERS:
            loads = await _measure(sides, plan, callers)
            results += [_result(loads, kind, callers) for kind in ("register", "edit")]
        return results


async def _measure(sides: Mapping[str, Side], plan: Plan, callers: int) -> Loads:
    loads: Loads = defaultdict(list)
    for turn in range(min(plan.rounds, MOST_ROUNDS)):
        order = list(sides)[:: -1 if turn % 2 else 1]
        with calm():
            for name in order:
                loads["register", name].append(await sides[name].register(callers, plan.seconds))
            for name in order:
                known = loads["register", name][-1]
                loads["edit", name].append(await sides[name].edit(known, callers, plan.seconds))
    return loads


def _result(loads: Loads, kind: Kind, callers: int) -> Result:
    ours, crud = loads[kind, OURS], loads[kind, CRUD]
    waits = percentiles([second for load in ours for second in load.seconds])
    crud_waits = percentiles([second for load in crud for second in load.seconds])
    return Result(
        path=f"HTTP {kind}, {callers} at once",
        unit="commands/s",
        ours=Spread.of([load.rate for load in ours]),
        goals={},
        limit=Spread.of([load.rate for load in crud]),
        ratio=Spread.of([mine.rate / other.rate for mine, other in zip(ours, crud, strict=True)]),
        limit_is="plain CRUD: FastAPI, asyncpg, a row per customer",
        more={
            **waits,
            **{f"peer_{name}": value for name, value in crud_waits.items()},
            "about": {"peer": CRUD, "way": _WAY, "versions": {name: metadata.version(name) for name in _PACKAGES}},
        },
    )


@contextmanager
def _running(stand: Stand) -> Iterator[dict[str, Side]]:
    home = Home(stand.folder / "crud" / "home")
    home.prepare()
    settings = {
        OURS: {
            "CUSTLOG_POSTGRES_URL": stand.database("customer"),
            "CUSTLOG_KEYRING_URL": stand.database("keyring"),
            "CUSTLOG_KAFKA": stand.kafka.url,
            "CUSTLOG_KEK_FILE": str(home.kek_file),
            "CUSTLOG_JWKS_FILE": str(home.jwks_file),
        },
        CRUD: {"CUSTLOG_POSTGRES_URL": stand.database("crud")},
    }
    specs = {
        OURS: ServiceSpec("customer", "services.customer.main"),
        CRUD: ServiceSpec("crud", "tests.bench.crud_service"),
    }
    token = issue(home.keys, "bench", ("manager",))
    with ExitStack() as started:
        sides = {}
        for name, spec in specs.items():
            service = ServiceProcess(spec, home.data / spec.name, log=home.logs / f"{spec.name}.log")
            service.configure(settings[name])
            service.prepare()
            started.callback(service.stop)
            service.start()
            sides[name] = Side(service.url, token)
        yield sides


def _registrations() -> Iterator[Request]:
    while True:
        number = uuid7()
        body = {
            "kind": "person",
            "source": "bench",
            "external_id": number,
            "name": {"full": "Ada Example", "given": "Ada", "family": "Example"},
            "birth_date": "1980-02-29",
            "address": {"lines": ["1 Example Lane"], "locality": "Exampleton", "postcode": "0000"},
            "emails": [f"ada-{number}@example.org"],
        }
        yield Request("/customers", orjson.dumps(body), headers=(f"Idempotency-Key: {number}",))


def _edits(known: Load) -> Iterator[Request]:
    body = orjson.dumps({"address": {"lines": ["2 Other Street"], "locality": "Otherville", "postcode": "1111"}})
    for content in known.contents:
        told = orjson.loads(content)
        headers = (f'If-Match: "{told["version"]}"', f"Idempotency-Key: {uuid7()}")
        yield Request(f"/customers/{told['id']}", body, "PATCH", headers)


def _checked(load: Load) -> Load:
    if load.refused or not load.seconds:
        raise RuntimeError(f"{len(load.seconds)} commands were taken, refused with: {dict(load.refused)}")
    return load
