"""Commands and questions over HTTP, with tokens, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.identity.api import identities
from services.identity.issuing.leases import Leases
from services.identity.issuing.numbers import Numbers
from services.identity.issuing.questions import Questions
from services.identity.issuing.rules import Rules
from services.identity.numbering.rule import render
from services.identity.numbers_api import numbers
from services.identity.stewardship import FOUR_EYES
from shared.access.tokens import Verifier, issue, make_issuer
from shared.clock import SystemClock
from shared.events.identity import AliasAdded, Asserted, Linked, ReviewOpened, Separated
from shared.http import Readiness, create_app
from shared.parking import parking
from shared.settings import Settings
from tests.identity.people import person
from tests.identity.world import World, customers

pytestmark = pytest.mark.server
PHONE = "+49309018201"

REASON = "same passport"


class Http:
    """A client that shows a token of one role."""

    def __init__(self, client: httpx.AsyncClient, issuer: Path) -> None:
        self._client = client
        self._issuer = issuer

    async def ask(
        self, method: str, path: str, body: Any = None, role: str | None = "manager", **headers: str
    ) -> httpx.Response:
        if role is not None:
            headers["Authorization"] = f"Bearer {issue(self._issuer, 'u1', [role])}"
        return await self._client.request(method, path, json=body, headers=headers)

    async def link(self, a: str, b: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.ask("POST", "/links", {"a": a, "b": b, "reason": REASON, **more}, **headers)

    async def separate(self, a: str, b: str) -> httpx.Response:
        return await self.ask("POST", "/separations", {"a": a, "b": b, "reason": "another person"})


@pytest.fixture
async def http(world: World, tmp_path: Path) -> AsyncIterator[Http]:
    issuer = tmp_path / "issuer"
    jwks = make_issuer(issuer)
    clock = SystemClock()
    app = create_app(
        Settings(service="identity"),
        Verifier.from_file(jwks, "custlog", "custlog"),
        [
            identities(world.application),
            numbers(
                Numbers(world.log, clock),
                Rules(world.log, clock),
                Leases(world.log, clock),
                Questions(world.log, clock),
            ),
            parking(world.consumer.parked, world.consumer.redrive),
        ],
        _ready,
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://identity") as client:
        yield Http(client, issuer)


async def _ready() -> Readiness:
    return Readiness(ok=True)


async def given_people(world: World, count: int) -> list[str]:
    ids = list(customers(count))
    await world.take(*((customer, person(f"Given{n}", "Lee")) for n, customer in enumerate(ids)))
    return ids


async def test_a_person_links_and_separates_customers(world: World, http: Http) -> None:
    a, b, c = await given_people(world, 3)

    linked = await http.link(b, a)
    await http.link(c, b)
    separated = await http.separate(c, b)

    assert linked.json() == {"identity": a, "members": [a, b], "changed": True, "recorded": True}
    assert separated.json() == {"identity": c, "members": [c], "changed": True, "recorded": True}
    assert world.identities() == {a: a, b: a, c: c}
    assert [(str(row["a"]), str(row["b"])) for row in world.rows("links")] == [(a, b)]
    event = next(event for event in world.events() if isinstance(event.data, Linked))
    assert (event.actor.id, event.actor.kind, event.data.decided_by, event.data.reason) == (  # type: ignore[attr-defined]
        "u1",
        "user",
        "manual",
        REASON,
    )


async def test_a_link_that_touches_many_says_which_request_a_second_person_has_to_decide(
    world: World, http: Http
) -> None:
    ids = await given_people(world, FOUR_EYES + 1)
    for other in ids[1:FOUR_EYES]:
        assert "request" not in (await http.link(ids[0], other)).json()

    linked = await http.link(ids[0], ids[-1], key="k")
    again = await http.link(ids[0], ids[-1], key="k")

    (asked,) = world.rows("approvals")
    told = linked.json()
    assert (told["request"], told["changed"], told["members"]) == (str(asked["request"]), False, ids[:-1])
    assert again.json() == told


async def test_a_separation_keeps_together_what_shares_evidence(world: World, http: Http) -> None:
    a, b, c = customers(3)
    await world.take(*((customer, person("Ann", "Lee", phone=PHONE)) for customer in (a, b, c)))
    before = {(str(row["a"]), str(row["b"])) for row in world.rows("links")}

    await http.separate(a, b)

    assert world.identities() == {a: a, b: b, c: a}
    assert [type(event) for event in world.data()[-3:]] == [Asserted, Separated, ReviewOpened]
    assert before == {(a, b), (a, c)}
    assert [(str(row["a"]), str(row["b"])) for row in world.rows("links")] == [(a, c)]


async def test_separated_customers_are_kept_apart_until_the_ban_is_lifted(world: World, http: Http) -> None:
    a, b = await given_people(world, 2)
    await http.link(a, b)
    await http.separate(b, a)

    refused = await http.link(a, b)
    lifted = await http.link(a, b, lift_ban=True)

    assert (refused.status_code, refused.json()["title"]) == (409, "Kept apart")
    assert lifted.json()["members"] == [a, b]
    assert [(row["says"], row["author"]) for row in world.rows("assertions")] == [("same", "u1")]


async def test_a_rule_does_not_link_what_a_person_separated(world: World, http: Http) -> None:
    a, b, later = customers(3)
    await world.take((a, person("Ann", "Lee", tax="4711")), (b, person("Ann", "Lee", tax="4711", phone=PHONE)))
    await http.separate(b, a)

    await world.take((later, person("Ann", "Lee", tax="4711", phone=PHONE)))

    assert world.identities() == {a: a, b: b, later: b}


async def test_the_same_key_gives_the_same_answer_and_one_event(world: World, http: Http) -> None:
    a, b, c = await given_people(world, 3)

    first = await http.link(a, b, key="k1")
    again = await http.link(a, b, key="k1")
    other = await http.link(a, c, key="k1")

    assert first.json() == again.json()
    assert (other.status_code, other.json()["type"].rsplit(":", 1)[-1]) == (409, "command-reused")
    assert len([event for event in world.data() if isinstance(event, Linked)]) == 1


async def test_linking_what_is_one_already_changes_nothing(world: World, http: Http) -> None:
    a, b = await given_people(world, 2)
    await http.link(a, b)

    again = await http.link(b, a)

    assert (again.status_code, again.json()["changed"]) == (200, False)


async def test_numbering_goes_on_after_a_command(world: World, http: Http) -> None:
    a, b = await given_people(world, 2)
    await http.link(b, a)

    await world.take((b, person("Other", "Name")))
    (c,) = await given_people(world, 1)

    assert (await http.ask("GET", f"/identities/{c}")).json()["members"][0]["number"] == render(3)


async def test_an_identity_shows_its_members_numbers_and_links(world: World, http: Http) -> None:
    a, b = await given_people(world, 2)
    await http.link(b, a)
    await http.ask("POST", f"/customers/{b}/aliases", {"alias": "OLD-7", "kind": "foreign"})

    found = (await http.ask("GET", f"/identities/{b}", role="viewer")).json()

    assert found["identity"] == a
    assert found["members"] == [
        {"customer": a, "number": render(1), "aliases": []},
        {"customer": b, "number": render(2), "aliases": ["OLD-7"]},
    ]
    assert [(link["a"], link["b"]) for link in found["links"]] == [(a, b)]


async def test_numbers_and_aliases_lead_to_their_customer(world: World, http: Http) -> None:
    a, b = await given_people(world, 2)
    await http.ask("POST", f"/customers/{b}/aliases", {"alias": "old-7", "kind": "former"})

    typed = f"{render(1)[:4]}-{render(1)[4:]}".lower()
    own = (await http.ask("GET", f"/numbers/{typed}")).json()
    alias = (await http.ask("GET", "/numbers/old-7")).json()

    assert (
        own.items()
        >= {
            "number": render(1),
            "well_formed": True,
            "check_ok": True,
            "known": True,
            "customer": a,
            "reason": None,
            "current": render(1),
            "identity": a,
            "rule": "numbering.default.v1",
        }.items()
    )
    assert (alias["number"], alias["known"], alias["customer"]) == ("old-7", True, b)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [(render(9), "never given out"), (render(9)[:-1] + "?", "only be"), ("C0000009" + "0", "check does not fit")],
)
async def test_a_number_that_leads_nowhere_says_why(http: Http, typed: str, reason: str) -> None:
    found = (await http.ask("GET", f"/numbers/{typed.replace('?', '%3F')}")).json()

    assert (found["known"], found["customer"]) == (False, None)
    assert reason in found["reason"]


async def test_an_alias_leads_to_one_customer_only(world: World, http: Http) -> None:
    a, b = await given_people(world, 2)
    body = {"alias": "OLD-7", "kind": "foreign"}

    first = await http.ask("POST", f"/customers/{a}/aliases", body)
    again = await http.ask("POST", f"/customers/{a}/aliases", body)
    taken = await http.ask("POST", f"/customers/{b}/aliases", body)

    assert (first.json()["changed"], again.json()["changed"], taken.status_code) == (True, False, 409)
    assert len([event for event in world.data() if isinstance(event, AliasAdded)]) == 1


@pytest.mark.parametrize("alias", [render(77), "source:crm:77", "01a20000-0000-7000-8000-000000000000"])
async def test_an_alias_may_not_look_like_another_reference(world: World, http: Http, alias: str) -> None:
    (a,) = await given_people(world, 1)

    answer = await http.ask("POST", f"/customers/{a}/aliases", {"alias": alias, "kind": "foreign"})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "alias")


@pytest.mark.parametrize(
    ("call", "role", "status"),
    [
        ("POST /links", None, 401),
        ("POST /links", "sales", 403),
        ("POST /separations", "viewer", 403),
        ("GET /identities/{}", "operator", 403),
        ("POST /ops/redrive", "manager", 403),
        ("GET /ops/parked", "sales", 403),
    ],
)
async def test_nobody_does_what_no_role_of_theirs_allows(
    world: World, http: Http, call: str, role: str | None, status: int
) -> None:
    method, path = call.split()
    a, b = await given_people(world, 2)
    body = {"a": a, "b": b, "reason": REASON} if method == "POST" and "ops" not in path else None

    assert (await http.ask(method, path.format(a), body, role)).status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"a": "x", "b": "y", "reason": REASON}, 422),
        ({"a": customers(1)[0], "b": customers(1)[0], "reason": REASON}, 404),
        ({"a": customers(1)[0], "b": customers(1)[0], "reason": REASON, "more": 1}, 422),
    ],
    ids=["empty", "no ids", "unknown customers", "unknown field"],
)
async def test_bad_links_are_refused(http: Http, body: dict[str, Any], status: int) -> None:
    assert (await http.ask("POST", "/links", body)).status_code == status


async def test_a_customer_is_not_linked_with_itself(world: World, http: Http) -> None:
    (a,) = await given_people(world, 1)

    answer = await http.link(a, a)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "b")


async def test_separating_strangers_is_refused(world: World, http: Http) -> None:
    a, b = await given_people(world, 2)

    assert (await http.separate(a, b)).status_code == 409


async def test_an_operator_sees_and_redrives_parked_records(world: World, http: Http) -> None:
    (a,) = customers(1)
    await world.consumer.handle([world.topic.raw(a, b"{")])

    parked = await http.ask("GET", "/ops/parked", role="operator")
    redriven = await http.ask("POST", "/ops/redrive", role="operator")

    assert parked.json() == {"parked": 1, "keys": [a]}
    assert redriven.json() == {"applied": 0, "parked": 1}
