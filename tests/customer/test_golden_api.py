"""Pins and survivorship policies over HTTP, on a log in memory: who may, what is stored, what a repeat gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.customer import api
from services.customer.application import Application
from shared.access.tokens import Verifier, issue, make_issuer
from shared.clock import SystemClock
from shared.events.survivorship import POLICY, SurvivorshipPolicySet, ValuePinned
from shared.http import Readiness, create_app
from shared.settings import Settings
from tests.customer.examples import registration_body
from tests.support.memory_log import MemoryLog

RULES = {"policy": {"default": {"order": ["verified", "recency"]}}, "reason": "the CRM is kept best"}


@dataclass
class Steward:
    """The service, and somebody who speaks to it in some role."""

    client: httpx.AsyncClient
    issuer: Path
    log: Any

    async def post(self, path: str, body: Any, role: str = "manager", **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        token = {"Authorization": f"Bearer {issue(self.issuer, 'u1', (role,))}"}
        return await self.client.post(path, json=body, headers={**token, **sent})


@pytest.fixture
async def steward(tmp_path: Path) -> AsyncIterator[Steward]:
    log: Any = MemoryLog("customer")
    verifier = Verifier.from_file(make_issuer(tmp_path), "custlog", "custlog")

    async def ready() -> Readiness:
        return Readiness(ok=True)

    app = create_app(Settings(service="customer"), verifier, [api.routes(Application(log, SystemClock()))], ready)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        yield Steward(client, tmp_path, log)


async def test_a_value_is_pinned_and_unpinned_by_who_may_decide(steward: Steward) -> None:
    customer = (await steward.post("/customers", registration_body())).json()["id"]
    pin = {"field": "name", "reason": "id-card-seen"}

    refused = await steward.post(f"/customers/{customer}/pin-value", pin, "sales")
    stale = await steward.post(f"/customers/{customer}/pin-value", pin, If_Match='"7"')
    pinned = await steward.post(f"/customers/{customer}/pin-value", pin, If_Match='"1"')
    again = await steward.post(f"/customers/{customer}/pin-value", pin)
    nothing = await steward.post(f"/customers/{customer}/pin-value", {"field": "birth_date:x", "reason": "r"})
    ended = await steward.post(f"/customers/{customer}/unpin-value", pin)

    assert (refused.status_code, stale.status_code, nothing.status_code) == (403, 412, 422)
    assert [answer.json()["version"] for answer in (pinned, again, ended)] == [2, 2, 3]
    _, recorded, _ = await steward.log.load(f"customer-{customer}")
    assert recorded.data == ValuePinned(field="name", reason="id-card-seen")


async def test_policies_are_counted_in_one_stream_and_a_repeat_gets_the_first_answer(steward: Steward) -> None:
    refused = await steward.post("/survivorship/policies", RULES, "sales")
    first = await steward.post("/survivorship/policies", RULES, Idempotency_Key="k1")
    same = await steward.post("/survivorship/policies", RULES)
    planned = {**RULES, "policy": {"default": {"order": ["longest"]}}, "effective_from": "2999-01-01T00:00:00+01:00"}
    later = await steward.post("/survivorship/policies", planned)
    repeated = await steward.post("/survivorship/policies", RULES, Idempotency_Key="k1")

    assert refused.status_code == 403
    assert [answer.status_code for answer in (first, same, later, repeated)] == [201] * 4
    assert [answer.json()["version"] for answer in (first, same, later, repeated)] == [1, 1, 2, 1]
    recorded = await steward.log.load(f"survivorship-{POLICY}")
    assert [event.customer for event in recorded] == [POLICY, POLICY]
    assert all(isinstance(event.data, SurvivorshipPolicySet) for event in recorded)
    assert recorded[0].actor.id == "u1"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"policy": {"default": {"order": ["luck"]}}}, "policy.default.order.0"),
        ({"policy": {"default": {"order": []}}}, "policy.default.order"),
        ({"effective_from": "2001-01-01T00:00:00Z"}, "effective_from"),
        ({"effective_from": 1763800000}, "effective_from"),
        ({"occurred_at": "2001-01-01T00:00:00Z"}, "occurred_at"),
        ({"reason": ""}, "reason"),
    ],
)
async def test_a_wrong_policy_names_the_field(steward: Steward, changes: dict[str, Any], field: str) -> None:
    answer = await steward.post("/survivorship/policies", {**RULES, **changes})

    assert answer.status_code == 422, answer.text
    assert field in {error["field"] for error in answer.json()["errors"]}
