"""Why two customers are one or not, over HTTP: what weighs now, what weighed when they were linked, and the picture."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from services.identity.comparing import Comparing
from services.identity.matching import sharing
from services.identity.matching.fingerprint import KINDS, fingerprints
from services.identity.matching.judging import Judge
from services.identity.matching.lookup import tokens
from services.identity.matching.model import shipped
from services.identity.steward_api import comparisons
from shared.access.journal import Journal
from shared.access.tokens import Verifier, issue, make_issuer
from shared.eventlog.log import Log
from shared.eventlog.mapper import open_record, parse
from shared.events import customer as facts
from shared.events.access import PersonalDataRead
from shared.events.identity import Linked, ReviewOpened
from shared.http import Readiness, create_app
from shared.ids import uuid7
from shared.settings import Settings
from tests.identity.people import person
from tests.identity.world import KEY, World, customers
from tests.support.logs import running_log

pytestmark = pytest.mark.server
PHONE = "+49309018201"
ANN = person("Ann", "Lee", born="1980-02-03", phone=PHONE, tax="4711-0815")
SVG = "{http://www.w3.org/2000/svg}"


class Asker:
    """Asks the explanation route, and knows what was recorded of it."""

    def __init__(self, client: httpx.AsyncClient, issuer: Path, access: Log) -> None:
        self._client, self._issuer, self._access = client, issuer, access

    async def answer(self, a: str, b: str, role: str = "manager", accept: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {issue(self._issuer, 'u1', [role])}"}
        if accept:
            headers["Accept"] = accept
        return await self._client.get("/explanations", params={"a": a, "b": b}, headers=headers)

    async def explain(self, a: str, b: str, role: str = "manager") -> dict[str, Any]:
        found = await self.answer(a, b, role)
        assert found.status_code == 200, found.text
        told: dict[str, Any] = found.json()
        return told

    def recorded(self) -> dict[str, tuple[str, ...]]:
        """Customer -> the fields that were recorded last as seen."""
        records = [parse(note.state) for note in self._access.read(0, 1000)]
        events = [open_record(record, {}) for record in records]
        return {event.customer: event.data.fields for event in events if isinstance(event.data, PersonalDataRead)}


@pytest.fixture
def access(postgres_url: Callable[[str], str], world: World) -> Iterator[Log]:
    with running_log("access", postgres_url("access"), world.keyring) as log:
        yield log


@pytest.fixture
async def asker(world: World, access: Log, tmp_path: Path) -> AsyncIterator[Asker]:
    issuer, judge = tmp_path / "issuer", Judge(shipped())
    comparing = Comparing(world.log, fingerprints(KEY), tokens(KEY), judge)
    app = create_app(
        Settings(service="identity"),
        Verifier.from_file(make_issuer(issuer), "custlog", "custlog"),
        [comparisons(comparing, world.application.number_of, Journal(access))],
        _ready,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://identity") as client:
        yield Asker(client, issuer, access)


async def _ready() -> Readiness:
    return Readiness(ok=True)


async def test_a_picture_is_answered_to_who_asks_for_one(world: World, asker: Asker) -> None:
    ann, again = customers(2)
    await world.take((ann, ANN), (again, ANN))

    drawn = await asker.answer(ann, again, accept="image/svg+xml")
    told = await asker.explain(ann, again)

    assert drawn.headers["content-type"].startswith("image/svg+xml")
    texts = [text.text or "" for text in ET.fromstring(drawn.content).iter(f"{SVG}text")]
    assert ann in "".join(texts)
    assert again in "".join(texts)
    assert any(f"{told['weight'] // 1000}.{told['weight'] % 1000:03} bits: merge" in text for text in texts)
    assert any(text.startswith("They were linked at") for text in texts)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json, image/svg+xml;q=0.5", "application/json"),
        ("image/svg+xml;q=0", "application/json"),
        ("image/svg+xml;q=x", "application/json"),
        ("application/json;q=0.9, image/svg+xml", "image/svg+xml"),
        ("image/avif,image/webp,IMAGE/SVG+XML,image/*,*/*;q=0.8", "image/svg+xml"),
    ],
)
async def test_json_is_answered_unless_a_picture_is_asked_for_by_name(
    world: World, asker: Asker, accept: str, kind: str
) -> None:
    ann, again = customers(2)
    await world.take((ann, ANN), (again, ANN))

    found = await asker.answer(ann, again, accept=accept)

    assert (found.status_code, found.headers["content-type"].split(";")[0]) == (200, kind)
    assert found.headers["vary"] == "Accept"


async def test_what_identifies_somebody_is_in_no_form_of_the_answer_for_roles_that_may_not_see_it(
    world: World, asker: Asker
) -> None:
    ann, again = customers(2)
    await world.take((ann, ANN), (again, ANN))

    seen = await asker.answer(ann, again, "auditor")
    forms = [await asker.answer(ann, again, "sales", accept) for accept in ("", "image/svg+xml")]

    assert "47110815" in seen.text
    assert [form.status_code for form in forms] == [200, 200]
    assert not any(secret in form.text for form in forms for secret in ("4711-0815", "47110815", "4711 0815"))


async def test_every_field_that_an_answer_shows_is_in_the_access_log(world: World, asker: Asker) -> None:
    ann, bob = customers(2)
    await world.take((ann, ANN), (bob, person("Bob", "Ray")))

    await asker.explain(ann, bob)
    whole = asker.recorded()
    await asker.answer(ann, bob, accept="image/svg+xml")
    drawn = asker.recorded()

    assert whole == {ann: ("birth_date", "contacts", "identifiers", "name"), bob: ("name",)}
    assert drawn == {ann: ("name",), bob: ("name",)}


async def test_the_question_between_two_is_told_beside_the_threshold(world: World, asker: Asker) -> None:
    one, other = customers(2)
    namesake = person("Ann", "Quillfeather")
    await world.take((one, namesake), (other, namesake))
    (asked,) = [event.data for event in world.events() if isinstance(event.data, ReviewOpened)]

    told = await asker.explain(one, other)

    assert (told["question"]["why"], told["question"]["weight"]) == (asked.why, asked.weight)
    assert told["question"]["answer"] is None
    assert isinstance(told["review"], int)


async def test_an_edit_leaves_what_two_weighed_when_they_were_linked_and_tells_what_they_weigh_now(
    world: World, asker: Asker
) -> None:
    ann, again = customers(2)
    await world.take((ann, ANN), (again, ANN))
    before = await asker.explain(ann, again)
    (linked,) = [event for event in world.events() if isinstance(event.data, Linked)]
    assert isinstance(linked.data, Linked)

    await world.take((ann, facts.ContactPointAdded(contact_id=uuid7(), kind="email", value="a@x.org")))
    await world.take((again, facts.NameCorrected(name=facts.Name(full="Anne Lee", given="Anne", family="Lee"))))

    after = await asker.explain(ann, again)
    assert before["link"]["weight"] == before["weight"] == linked.data.weight
    assert after["link"] == before["link"]
    assert after["link"]["model"] == linked.data.model
    assert tuple(after["link"]["evidence"]) == linked.data.evidence
    assert after["weight"] != after["link"]["weight"]
    assert after["weight"] == after["prior"] + sum(bar["weight"] for bar in after["bars"])


async def test_a_key_that_too_many_share_is_told(world: World, asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "COMMON", 3)
    ids = customers(6)
    names = [("Ann", "Lee"), ("Bob", "Ray"), ("Eve", "Kane"), ("Ida", "Fox"), ("Tom", "Hill"), ("Sue", "Ward")]
    await world.take(*((one, person(*name, phone=PHONE)) for one, name in zip(ids[:2], names, strict=False)))
    few = await asker.explain(ids[0], ids[1])

    await world.take(*((one, person(*name, phone=PHONE)) for one, name in zip(ids[2:], names[2:], strict=True)))

    many = await asker.explain(ids[4], ids[5])
    assert (few["keys"], few["too_common"]) == (["phone"], [])
    assert (many["keys"], many["too_common"]) == (["phone"], ["phone"])
    drawn = await asker.answer(ids[4], ids[5], accept="image/svg+xml")
    assert "brought nobody together: phone" in drawn.text


async def test_only_keys_that_the_service_keeps_are_told(world: World, asker: Asker) -> None:
    ann, again = customers(2)
    event = person("Ann", "Lee", born="1980-02-03", phone=PHONE, street="Lindenweg 4", postcode="10115")
    await world.take((ann, event), (again, event))

    told = await asker.explain(ann, again)

    assert set(told["keys"]) <= set(KINDS)
    assert {"phone", "name", "birth"} <= set(told["keys"])


async def test_a_street_is_shown_as_it_was_written(world: World, asker: Asker) -> None:
    ann, again = customers(2)
    address = facts.Address(lines=("Lindenweg",), street_number="4", locality="Berlin")
    event = person("Ann", "Lee", phone=PHONE).model_copy(update={"address": address})
    await world.take((ann, event), (again, event))

    told = await asker.explain(ann, again)

    (street,) = [bar for bar in told["bars"] if bar["field"] == "street"]
    assert (street["raw_a"], street["normal_a"]) == ("Lindenweg 4", "lindenweg 4")
