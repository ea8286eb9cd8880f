"""Numbers over HTTP on a real PostgreSQL: rules, assignments, leases, imports, and what a number means."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from services.identity.numbering.rule import render
from services.identity.numbering.rulebook import DEFAULT_RULE
from shared.audit.trail import TrailIndex
from shared.eventlog.mapper import parse
from tests.identity.numbering_rules import REGION
from tests.identity.people import person
from tests.identity.test_api import Http, http
from tests.identity.world import World, customers

pytestmark = pytest.mark.server
__all__ = ["http"]

GERMAN = {"kind": "person", "classes": {"region": "DE"}}


def rules(**changes: Any) -> list[dict[str, Any]]:
    return [REGION.model_copy(update=changes).model_dump(mode="json"), DEFAULT_RULE.model_dump(mode="json")]


async def test_rules_are_checked_set_and_number_whom_they_fit(world: World, http: Http) -> None:
    ann, bob = customers(2)
    checked = (await http.ask("POST", "/numbering/lint", {"rules": rules()})).json()
    bad = (await http.ask("POST", "/numbering/lint", {"rules": rules(template="C{seq:9}")})).json()
    set_now = await http.ask("POST", "/numbering/rules", {"rules": rules(), "reason": "regions"})
    refused = await http.ask("POST", "/numbering/rules", {"rules": rules(template="C{seq:9}"), "reason": "bad"})
    await world.take((ann, person("Ann", "Lee")), (bob, person("Bob", "Ray")))

    assert (checked["ok"], checked["findings"], bad["ok"]) == (True, [], False)
    assert (set_now.status_code, set_now.json()["version"]) == (200, 1)
    assert refused.status_code == 422
    assert (await http.ask("GET", "/numbering/rules")).json()["in_force"] == 1

    answer = (await http.ask("POST", "/numbers/assignments", {"rows": [{"customer": ann, "facts": GERMAN}]})).json()
    again = (await http.ask("POST", "/numbers/assignments", {"rows": [{"customer": ann, "facts": GERMAN}]})).json()

    assert (answer["changed"], again["changed"], answer["rows"][0]["number"]) == (1, 0, again["rows"][0]["number"])
    number = answer["rows"][0]["number"]
    known = (await http.ask("POST", "/numbers/validate", {"number": number.lower()})).json()
    assert (known["customer"], known["state"], known["current"]) == (ann, "primary", number)
    old = (await http.ask("GET", f"/numbers/{render(1)}")).json()
    assert (old["customer"], old["state"], old["current"]) == (ann, "alias", number)
    await world.take((ann, person("Ann", "Lee")))
    assert (await http.ask("GET", "/numbering/capacity")).json()["scopes"][0]["scope"] == "customer"


async def test_leases_and_imports_end_to_end(world: World, http: Http) -> None:
    ann, bob = customers(2)
    await world.take((ann, person("Ann", "Lee")), (bob, person("Bob", "Ray")))
    await http.ask("POST", "/numbering/rules", {"rules": rules(), "reason": "regions"})
    body = {"rule": REGION.id, "facts": GERMAN, "count": 3, "holder": "till-7"}

    lease = (await http.ask("POST", "/numbers/leases", body)).json()
    rows = {"rows": [{"customer": ann, "number": lease["numbers"][1]}]}
    given = (await http.ask("POST", "/numbers/assignments", rows)).json()
    released = (await http.ask("POST", f"/numbers/leases/{lease['lease']}/release")).json()
    cleared = (await http.ask("POST", "/numbers/leases/clear")).json()
    taken = {"rows": [{"customer": bob, "number": render(77)}, {"customer": ann, "number": render(77)}]}
    imported = (await http.ask("POST", "/numbers/imports", taken)).json()

    assert (given["changed"], released["voided"], cleared["leases"]) == (1, 2, 0)
    assert [row["error"] is None for row in imported["rows"]] == [True, False]
    (later,) = customers(1)
    await world.take((later, person("Eve", "Fox")))
    assert (await http.ask("GET", f"/numbers/{render(78)}")).json()["customer"] == later


async def test_a_typing_error_is_answered_with_what_was_meant(world: World, http: Http) -> None:
    ids = customers(20)
    await world.take(*((customer, person(f"A{n}", f"L{n}")) for n, customer in enumerate(ids)))
    number = render(17)

    asked = (await http.ask("POST", "/numbers/validate", {"number": number[:-2] + "9" + number[-1]})).json()
    past = (await http.ask("GET", f"/numbers/{number}?as_of=2020-01-01T00:00:00Z")).json()

    assert (asked["known"], number in asked["suggestions"]) == (False, True)
    assert (past["known"], past["customer"]) == (False, None)


async def test_an_instant_that_has_not_passed_is_a_wrong_field(world: World, http: Http) -> None:
    (ann,) = customers(1)
    await world.take((ann, person("Ann", "Lee")))

    answer = await http.ask("GET", f"/numbers/{render(1)}?as_of=2999-01-01T00:00:00Z")

    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [{"field": "as_of", "message": "has not passed yet"}],
    )


async def test_only_who_may_link_may_give_numbers(http: Http) -> None:
    for path, body in [
        ("/numbering/rules", {"rules": rules(), "reason": "x"}),
        ("/numbers/leases", {"rule": "r", "count": 1, "holder": "x"}),
        ("/numbers/assignments", {"rows": [{"customer": customers(1)[0]}]}),
    ]:
        assert (await http.ask("POST", path, body, role="viewer")).status_code == 403


@pytest.mark.parametrize("indexed", [0, 4, 100])
async def test_a_merged_number_is_an_alias_then_too_however_far_the_index_of_the_trail_is(
    world: World, http: Http, indexed: int
) -> None:
    ann, bob = customers(2)
    await world.take((ann, person("Ann", "Lee")), (bob, person("Bob", "Ray")))
    apart = reached(world)
    await http.ask("POST", "/links", {"a": bob, "b": ann, "reason": "same"})
    merged = reached(world)
    await http.ask("POST", "/separations", {"a": ann, "b": bob, "reason": "two"})
    parted = reached(world)
    if indexed:
        with world.log.transaction() as tx:
            info = tx.cursor.connection.info
        with closing(TrailIndex(make_conninfo(info.dsn, password=info.password), "identity")) as index:
            index.advance(most=indexed)

    async def then(as_of: str) -> tuple[str, str, str]:
        found = (await http.ask("GET", f"/numbers/{render(2)}?as_of={as_of}")).json()
        return found["state"], found["identity"], found["current"]

    assert await then(apart) == ("primary", bob, render(2))
    assert await then(merged) == ("alias", ann, render(1))
    assert await then(parted) == ("primary", bob, render(2))


def reached(world: World) -> str:
    """The instant of the newest event."""
    return max(parse(note.state).recorded_at for note in world.log.read(0, 1_000))
