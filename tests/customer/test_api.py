"""The commands of the customer service over HTTP, on a real PostgreSQL."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from services.customer.api import CHANGES, STARTS
from shared.events import customer as events
from shared.ids import derive, uuid7
from tests.customer.desk import Desk, leaks
from tests.customer.examples import registration_body

pytestmark = pytest.mark.server


class TestRegister:
    async def test_answers_with_id_version_location_and_etag(self, desk: Desk) -> None:
        answer = await desk.post("/customers", registration_body(phones=["0412 987 654"], emails=["zanzi@example.org"]))

        assert answer.status_code == 201
        customer = answer.json()["id"]
        assert answer.json() == {"id": customer, "version": 1}
        assert answer.headers["Location"] == f"/customers/{customer}"
        assert answer.headers["ETag"] == '"1"'

    async def test_records_who_did_it_through_what_and_why(self, desk: Desk) -> None:
        correlation = uuid7()
        answer = await desk.post(
            "/customers",
            registration_body(occurred_at="2026-01-02T03:04:05+02:00"),
            X_Correlation_Id=correlation,
            Custlog_Channel="web",
            Custlog_Purpose="sales",
        )

        (recorded,) = await desk.history(f"customer-{answer.json()['id']}")
        assert (recorded.actor.id, recorded.actor.kind) == ("u1", "user")
        assert (recorded.channel, recorded.purpose, recorded.correlation) == ("web", "sales", correlation)
        assert recorded.occurred_at == "2026-01-02T01:04:05.000000Z"
        assert isinstance(recorded.data, events.CustomerRegistered)

    async def test_tells_who_holds_a_known_source_and_external_id(self, desk: Desk) -> None:
        body = registration_body(external_id=uuid7())
        first = await desk.post("/customers", body)
        second = await desk.post("/customers", body)

        assert second.status_code == 409
        assert second.headers["Location"] == f"/customers/{first.json()['id']}"
        assert first.json()["id"] in second.json()["detail"]
        assert body["external_id"] not in second.text

    async def test_of_one_external_id_by_many_at_once_makes_one_customer(self, desk: Desk) -> None:
        body = registration_body(external_id=uuid7())
        answers = await asyncio.gather(*(desk.post("/customers", body) for _ in range(8)))

        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}


class TestRepeats:
    async def test_get_the_first_answer_and_status(self, desk: Desk) -> None:
        key = uuid7()
        first = await desk.post("/customers", registration_body(), Idempotency_Key=key)
        head = desk.head()
        again = await desk.post("/customers", registration_body(), Idempotency_Key=key)

        assert (again.status_code, again.json(), again.headers["Location"]) == (
            201,
            first.json(),
            first.headers["Location"],
        )
        assert desk.head() == head

    async def test_with_another_body_are_refused(self, desk: Desk) -> None:
        key = uuid7()
        await desk.post("/customers", registration_body(), Idempotency_Key=key)
        other = await desk.post("/customers", registration_body(kind="organisation"), Idempotency_Key=key)

        assert other.status_code == 409
        assert other.json()["type"] == "urn:custlog:problem:command-reused"

    async def test_are_each_callers_own(self, desk: Desk) -> None:
        key = uuid7()
        first = await desk.post("/customers", registration_body(), Idempotency_Key=key)
        headers = {"Idempotency_Key": key, **desk.token("admin", user="u2")}
        second = await desk.post("/customers", registration_body(), **headers)

        assert first.json()["id"] != second.json()["id"]

    async def test_of_a_change_are_answered_though_the_state_would_refuse_it_now(self, desk: Desk) -> None:
        customer = await desk.register()
        order = (await desk.post(f"/customers/{customer}/orders", ORDER)).json()["id"]
        key = uuid7()
        first = await desk.post(f"/orders/{order}/deliver", {}, Idempotency_Key=key)
        again = await desk.post(f"/orders/{order}/deliver", {}, Idempotency_Key=key)
        anew = await desk.post(f"/orders/{order}/deliver", {})

        assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
        assert anew.status_code == 409

    async def test_of_a_start_are_answered_though_the_customer_is_archived_now(self, desk: Desk) -> None:
        customer = await desk.register()
        key = uuid7()
        first = await desk.post(f"/customers/{customer}/orders", ORDER, Idempotency_Key=key)
        await desk.post(f"/customers/{customer}/archive", {"reason": "gone"})
        again = await desk.post(f"/customers/{customer}/orders", ORDER, Idempotency_Key=key)
        other = await desk.post(f"/customers/{customer}/orders", {**ORDER, "reference": "B"}, Idempotency_Key=key)

        assert (again.status_code, again.json()) == (201, first.json())
        assert other.json()["type"] == "urn:custlog:problem:command-reused"

    async def test_of_an_edit_that_changed_nothing_are_answered_as_before(self, desk: Desk) -> None:
        customer = await desk.register()
        key = uuid7()
        nothing = {"Idempotency_Key": key, "If_Match": '"1"'}
        first = await desk.patch(f"/customers/{customer}", {"tags": []}, **nothing)
        await desk.post(f"/customers/{customer}/tag", {"add": ["vip"]})
        again = await desk.patch(f"/customers/{customer}", {"tags": []}, **nothing)

        assert (first.status_code, first.json()["version"]) == (200, 1)
        assert (again.status_code, again.json()) == (200, first.json())


class TestEdit:
    async def test_moves_the_etag_by_the_events_it_made(self, desk: Desk) -> None:
        customer = await desk.register()
        answer = await desk.patch(f"/customers/{customer}", {"name": "Mia Other", "owner": "u9"}, If_Match='"1"')

        assert (answer.status_code, answer.headers["ETag"], answer.json()["version"]) == (200, '"3"', 3)

    async def test_on_a_stale_version_is_refused_with_the_current_one(self, desk: Desk) -> None:
        customer = await desk.register()
        await desk.patch(f"/customers/{customer}", {"name": "Mia Other"}, If_Match='"1"')
        stale = await desk.patch(f"/customers/{customer}", {"name": "Zanzibarra"}, If_Match='"1"')

        assert (stale.status_code, stale.headers["ETag"]) == (412, '"2"')
        assert not leaks(stale.content)

    async def test_needs_the_version_it_rests_on(self, desk: Desk) -> None:
        customer = await desk.register()

        assert (await desk.patch(f"/customers/{customer}", {"name": "x"})).status_code == 428
        assert (await desk.patch(f"/customers/{customer}", {"name": "x"}, If_Match="latest")).status_code == 400

    async def test_by_two_at_once_is_won_by_one(self, desk: Desk) -> None:
        customer = await desk.register()
        answers = await asyncio.gather(
            *(desk.patch(f"/customers/{customer}", {"owner": f"u{n}"}, If_Match='"1"') for n in range(4))
        )

        assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 3}
        assert len(await desk.history(f"customer-{customer}")) == 2


async def test_changes_without_a_version_are_decided_anew_when_others_were_faster(desk: Desk) -> None:
    customer = await desk.register()
    answers = await asyncio.gather(*(desk.post(f"/customers/{customer}/tag", {"add": [f"t{n}"]}) for n in range(3)))

    assert [answer.status_code for answer in answers] == [200] * 3
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4]


async def test_a_change_may_name_the_version_it_rests_on(desk: Desk) -> None:
    customer = await desk.register()
    await desk.post(f"/customers/{customer}/tag", {"add": ["a"]})
    stale = await desk.post(f"/customers/{customer}/tag", {"add": ["b"]}, If_Match='"1"')

    assert stale.status_code == 412


ORDER = {"reference": "A-1", "currency": "EUR", "total": "10.00"}
CUSTOMER_BODIES: dict[str, dict[str, Any]] = {
    "add-contact-point": {"kind": "email", "value": "zanzi@example.org"},
    "set-address": {"usage": "billing", "address": {"lines": ["Quokkastrasse 1"]}},
    "add-identifier": {"identifier": {"type": "tax", "value": "TFN99887766"}},
    "classify": {"scheme": "segment", "code": "gold"},
    "tag": {"add": ["vip"]},
    "note-preference": {"topic": "language", "value": "fr", "source": "call", "confidence": "0.8"},
    "assign-owner": {"owner": "u1"},
    "give-consent": {"purpose": "news", "channel": "web", "text_version": "v1"},
    "withdraw-consent": {"purpose": "news", "channel": "web"},
    "restrict-processing": {"reason": "contested"},
    "raise-objection": {"purpose": "news"},
    "withdraw-objection": {"purpose": "news"},
    "set-extension-field": {"field": "shoe-size", "value": 42},
}
MANAGER_BODIES: dict[str, dict[str, Any]] = {
    "pin-value": {"field": "name", "reason": "id-card-seen"},
    "unpin-value": {"field": "name", "reason": "mistaken"},
    "approve-erasure": {},
}


async def test_every_command_of_a_customer_has_its_address(desk: Desk) -> None:
    customer, other = await desk.register(phones=["0412 987 654"]), await desk.register()
    (recorded,) = await desk.history(f"customer-{customer}")
    assert isinstance(recorded.data, events.CustomerRegistered)
    points = recorded.data.contact_points
    assert isinstance(points, tuple)
    contact = {"contact_id": points[0].contact_id}
    bodies = {
        **CUSTOMER_BODIES,
        "verify-contact-point": {**contact, "method": "call"},
        "invalidate-contact-point": {**contact, "reason": "bounced"},
        "remove-contact-point": {**contact, "reason": "wrong"},
        "add-relationship": {"other": other, "role": "spouse"},
    }
    for name, body in bodies.items():
        answer = await desk.post(f"/customers/{customer}/{name}", body)
        assert answer.status_code == 200, (name, answer.text)
    related = (await desk.history(f"customer-{customer}"))[-1].data
    assert isinstance(related, events.RelationshipAdded)
    last = {
        "end-relationship": {"relationship_id": related.relationship_id, "reason": "over"},
        "archive": {"reason": "gone"},
        "restore": {"reason": "back"},
        "place-hold": {"reason": "lawsuit"},
        "lift-hold": {"hold_id": derive("hold", customer, "1")},
        "request-erasure": {"reason": "asked"},
        "refuse-erasure": {"reason": "not-the-person"},
        "lift-restriction": {"reason": "verified"},
    }
    for name, body in last.items():
        answer = await desk.post(f"/customers/{customer}/{name}", body)
        assert answer.status_code == 200, (name, answer.text)
    await desk.post(f"/customers/{customer}/request-erasure", {"reason": "asked"})
    manager = desk.token("manager", user="u2")
    for name, body in MANAGER_BODIES.items():
        answer = await desk.post(f"/customers/{customer}/{name}", body, **manager)
        assert answer.status_code == 200, (name, answer.text)

    _, changes = CHANGES["customers"]
    assert changes.keys() == bodies.keys() | last.keys() | MANAGER_BODIES.keys()
    history = await desk.history(f"customer-{customer}")
    assert len(history) == 1 + len(bodies) + len(last) + 1 + len(MANAGER_BODIES)


async def test_orders_tickets_and_interactions_live_their_lives(desk: Desk) -> None:
    customer = await desk.register()
    bodies: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
        "orders": (
            ORDER,
            {
                "pay": {"amount": "10", "method": "card"},
                "deliver": {"carrier": "post"},
                "return": {"amount": "1", "reason": "broken"},
            },
        ),
        "tickets": (
            {"topic": "bill", "summary": "Zanzibarra asks"},
            {"answer": {"text": "yes"}, "resolve": {"resolution": "paid"}, "reopen": {"reason": "again"}},
        ),
        "interactions": ({"kind": "call", "direction": "in", "summary": "asked"}, {}),
    }
    assert bodies.keys() == STARTS.keys()
    for collection, (start, changes) in bodies.items():
        begun = await desk.post(f"/customers/{customer}/{collection}", start)
        assert (begun.status_code, begun.headers["ETag"]) == (201, '"1"'), begun.text
        assert begun.headers["Location"] == f"/{collection}/{begun.json()['id']}"
        for name, body in changes.items():
            answer = await desk.post(f"/{collection}/{begun.json()['id']}/{name}", body)
            assert answer.status_code == 200, (name, answer.text)
        history = await desk.history(f"{collection[:-1]}-{begun.json()['id']}")
        assert {recorded.customer for recorded in history} == {customer}
        assert len(history) == 1 + len(changes)


async def test_an_archived_customer_begins_nothing(desk: Desk) -> None:
    customer = await desk.register()
    await desk.post(f"/customers/{customer}/archive", {"reason": "gone"})

    for path, body in (("orders", ORDER), ("tag", {"add": ["a"]})):
        assert (await desk.post(f"/customers/{customer}/{path}", body)).status_code == 409


async def test_an_erasure_needs_two_people_and_ends_every_command(desk: Desk) -> None:
    customer = await desk.register()
    ticket = (await desk.post(f"/customers/{customer}/tickets", {"topic": "bill", "summary": "asks"})).json()["id"]
    clerk, boss = desk.token("service", "manager", user="ann"), desk.token("manager", user="ben")
    asks, approves = f"/customers/{customer}/request-erasure", f"/customers/{customer}/approve-erasure"

    answers = [
        await desk.post(asks, {"reason": "asked"}, **boss),
        await desk.post(asks, {"reason": "asked"}, **clerk),
        await desk.post(approves, {}, **clerk),
        await desk.post(approves, {}, **boss),
        await desk.post(f"/customers/{customer}/tag", {"add": ["a"]}),
        await desk.post(f"/customers/{customer}/orders", ORDER),
        await desk.post(f"/tickets/{ticket}/answer", {"text": "we look"}),
        await desk.post(f"/tickets/{ticket}/resolve", {"resolution": "moot"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 200, 403, 200, 409, 409, 409, 200]
    assert [event.type for event in await desk.history(f"customer-{customer}")][1:] == [
        "customer.erasure_requested",
        "customer.erasure_approved",
    ]


async def test_the_openapi_document_names_every_command_once(desk: Desk) -> None:
    document = (await desk.client.get("/openapi.json")).json()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not path.startswith(("/health", "/metrics"))
    ]
    names = [operation["operationId"] for _, _, operation in operations]

    assert len(names) == len(set(names)) == 4 + len(STARTS) + sum(len(changes) for _, changes in CHANGES.values())
    for path, _, operation in operations:
        assert operation["description"]
        assert "4XX" in operation["responses"], path
        assert "requestBody" in operation, path
    name = document["components"]["schemas"]["Register"]["properties"]["name"]
    assert any(option.get("type") == "string" for option in name["anyOf"])
