"""The query API about the past: the same answers, rights and access records as about the present."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.projections.api.views import PRESENT
from services.projections.scratch import Scratch
from services.projections.views import VIEWS
from shared.as_of import AsOf
from shared.events.envelope import instant
from tests.projections.test_api import ALL, PHONE, Api, served
from tests.support.events import START

pytestmark = pytest.mark.server
__all__ = ["served"]


def minute(number: int) -> str:
    """When event `number` of the stage was told, as the logs write it."""
    return instant(START + timedelta(minutes=number))


async def made(served: Api, view: str, as_of: str) -> None:
    """A finished scratch build with what the live view holds: whoever asks for it as of then is answered from it."""
    scratch = Scratch(served.application.store)
    row = await scratch.begin([view], AsOf(as_of, {}))
    documents = await (await served.application.store.collection(view)).find({}).to_list(None)
    await served.database[row["views"][view]].insert_many(documents)
    await scratch.finish(row["_id"], {})


async def test_a_customer_is_shown_as_it_stood_at_an_instant_or_a_position(served: Api) -> None:
    for as_of in (minute(0), "customer:1"):
        found = await served.read(f"/customers/{served.ann}", as_of=as_of)
        (ann,) = found["members"]
        assert (found["identity"], ann["name"]["value"]["full"]) == (served.ann, "Ann Müller")
        assert [contact["value"] for contact in ann["contacts"]] == [PHONE]
        assert (ann["number"], ann["addresses"], ann["version"]) == (None, {}, 1)
        assert "address:main" not in found["golden"]["fields"]
        golden = await served.read(f"/customers/{served.ann}/golden", as_of=as_of)
        assert golden["fields"] == found["golden"]["fields"]


async def test_as_of_now_a_customer_is_shown_as_it_is(served: Api) -> None:
    for path in (
        "/customers/K-1",
        "/customers/by-source/web/a/7",
        f"/customers/{served.gone}",
        "/customers/K-2/golden",
    ):
        assert await served.read(path, as_of=minute(60)) == await served.read(path)


async def test_before_a_link_two_customers_are_two(served: Api) -> None:
    before, after = [await served.read(f"/customers/{served.ben}", as_of=minute(at)) for at in (13, 14)]
    assert (before["identity"], after["identity"]) == (served.ben, served.ann)
    assert len(after["members"]) == 2


async def test_an_answer_about_the_past_has_no_etag_and_says_how_far_the_views_are(served: Api) -> None:
    answer = await served.get(f"/customers/{served.ann}", as_of=minute(60))
    assert "ETag" not in answer.headers
    assert answer.headers["Custlog-Reached"] == "customer:9,identity:6,notifications:3"


@pytest.mark.parametrize(
    ("path", "as_of", "status"),
    [
        ("/customers/K-1", minute(0), 404),
        ("/customers/by-source/web/a/7", minute(0), 404),
        ("/customers/by-source/web/a/7", minute(5), 200),
        ("/customers/K-1", "2999-01-01T00:00:00Z", 422),
        ("/customers/K-1", "2026-01-01T00:00:00", 422),
        ("/customers/K-1", "customer:100", 404),
        ("/views/customer", "yesterday", 422),
        ("/views/customer", "2999-01-01T00:00:00Z", 422),
        ("/views/nothing", minute(0), 404),
        ("/views/Customer", minute(0), 422),
    ],
)
async def test_a_bad_question_about_the_past_gets_a_clear_answer(
    served: Api, path: str, as_of: str, status: int
) -> None:
    assert (await served.get(path, "auditor", as_of=as_of)).status_code == status


@pytest.mark.parametrize(
    ("path", "role", "ann", "ben"),
    [
        ("/customers/K-1", "manager", ALL, {"name"}),
        ("/customers/by-source/web/a/7", "sales", ALL - {"identifiers"}, {"name"}),
        ("/customers/K-1", "viewer", None, None),
        ("/customers/K-2/golden", "manager", ALL - {"identifiers"}, {"name"}),
        ("/views/customer", "auditor", ALL, {"name"}),
        ("/views/customer", "admin", ALL - {"identifiers"}, {"name"}),
        ("/views/directory", "auditor", None, {"name"}),
        ("/views/agenda", "auditor", {"due_at", "local_date", "note"}, None),
        ("/views/timeline", "auditor", None, None),
        ("/views/pulse", "auditor", None, None),
    ],
)
async def test_what_an_answer_about_the_past_shows_in_the_clear_is_recorded(
    served: Api, path: str, role: str, ann: set[str] | None, ben: set[str] | None
) -> None:
    if path.startswith("/views/"):
        await made(served, path.removeprefix("/views/"), minute(70))
    since = served.access.head()

    await served.read(path, role, as_of=minute(70))

    shown = served.shown(since)
    assert {who: shown.get(who) for who in (served.ann, served.ben)} == {served.ann: ann, served.ben: ben}


async def test_a_masked_reader_sees_only_parts_of_the_past(served: Api) -> None:
    (ann,) = (await served.read(f"/customers/{served.ann}", "viewer", as_of=minute(0)))["members"]
    assert ann["name"] == {
        "value": ann["name"]["value"],
        "masked": True,
        "event": ann["name"]["event"],
        "at": minute(0),
    }
    assert ann["name"]["value"]["full"] == "A***"


async def test_an_erased_customer_is_erased_in_the_past(served: Api) -> None:
    (gone,) = (await served.read(f"/customers/{served.gone}", as_of=minute(8)))["members"]
    assert gone["name"]["erased"] is True


async def test_without_keyring_or_access_log_nothing_of_the_past_is_shown(served: Api) -> None:
    await made(served, "customer", minute(71))
    paths = ("/customers/K-1", "/views/customer")
    served.keyring.away = True
    try:
        assert [(await served.get(path, "auditor", as_of=minute(71))).status_code for path in paths] == [503, 503]
    finally:
        served.keyring.away = False
    served.access.away = True
    try:
        assert [(await served.get(path, "auditor", as_of=minute(71))).status_code for path in paths] == [503, 503]
    finally:
        served.access.away = False


async def test_only_who_may_audit_gets_whole_views_of_the_past(served: Api) -> None:
    for role in ("manager", "sales", "viewer", "operator"):
        assert (await served.get("/views/pulse", role, as_of=minute(0))).status_code == 403


@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_that_was_made_is_answered_in_pages(served: Api, view: str) -> None:
    await made(served, view, minute(72))
    whole = await served.read(f"/views/{view}", "auditor", as_of=minute(72), limit=200)
    pages: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = await served.read(f"/views/{view}", "auditor", as_of=minute(72), limit=2, **after)
        pages += page["items"]
        if page["after"] is None:
            break
        after = {"after": page["after"]}
    assert whole["after"] is None
    assert pages == whole["items"]
    assert len(pages) == await (await served.application.store.collection(view)).count_documents({})


async def test_a_view_that_was_not_made_yet_is_promised_and_the_promise_can_be_followed(served: Api) -> None:
    answer = await served.get("/views/pulse", "auditor", as_of="2026-01-01T01:13:00+00:00")
    assert answer.status_code == 202
    assert answer.json() == {"as_of": minute(73), "state": "running", "applied": 0}
    assert answer.headers["Location"] == f"/views/pulse?as_of={minute(73)}"
    assert int(answer.headers["Retry-After"]) > 0


async def test_the_timeline_tells_nothing_sealed_now_and_then(served: Api) -> None:
    await made(served, "timeline", minute(74))
    then = await served.read("/views/timeline", "auditor", as_of=minute(74), limit=200)
    now = await served.read("/customers/K-1/timeline", limit=200)
    assert all("record" not in item for item in (*then["items"], *now["items"]))


def test_every_view_has_an_answer() -> None:
    assert set(PRESENT) == set(VIEWS)
