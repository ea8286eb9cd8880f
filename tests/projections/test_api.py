"""The query API over a real MongoDB and a real keyring: who finds what, and who sees which field."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.projections import api
from services.projections.application import Application
from services.projections.past import Past
from services.projections.rebuild import Rebuild
from services.projections.reconstruction import Reconstruction
from services.projections.store import ALIASES
from services.projections.streams import Topics
from shared.access.journal import Journal
from shared.access.levels import Level
from shared.access.policy import GRANTS, sees
from shared.access.tokens import Verifier, issue, make_issuer
from shared.errors import Unavailable
from shared.eventlog.commit import Commit, Committed
from shared.eventlog.mapper import parse
from shared.events import customer as says
from shared.events.access import PersonalDataRead
from shared.events.envelope import Contract
from shared.events.identity import AliasAdded, Linked, Move, NumberAssigned
from shared.events.notifications import ReminderPlanned
from shared.http import Readiness, create_app
from shared.ids import uuid7
from shared.parking import parking
from shared.privacy.keyring import Keyring
from shared.settings import Settings
from tests.projections.stage import PARTITIONS, TOPICS, Wire, sources, views_in
from tests.support.events import History, customer_registered
from tests.support.memory_log import MemoryLog

pytestmark = pytest.mark.server
PHONE, MAIL = "+4930123456", uuid7()
TAX = {"type": "tax", "value": "DE123456789"}


@dataclass
class Api:
    """The API, with two linked customers, a third one alone, and one that was erased."""

    client: httpx.AsyncClient
    issuer: Path
    ann: str
    ben: str
    carl: str
    gone: str
    keyring: SwitchedKeyring
    application: Application
    access: SwitchedLog
    history: History
    wire: Wire

    async def tell(self, customer: str, *events: Contract, stream: str | None = None) -> None:
        """More happens, and the views take it."""
        before = len(self.history.events)
        self.history.tell(customer, *events, stream=stream)
        await self.application.take(sources(self.wire.put(self.history.events[before:])))

    @property
    def database(self) -> Any:
        return self.application.store.database

    async def get(self, path: str, *roles: str, **query: Any) -> httpx.Response:
        token = issue(self.issuer, "u1", roles or ("manager",))
        return await self.client.get(path, params=query or None, headers={"Authorization": f"Bearer {token}"})

    async def read(self, path: str, *roles: str, **query: Any) -> Any:
        response = await self.get(path, *roles, **query)
        assert response.status_code == 200, response.text
        return response.json()

    def shown(self, since: int) -> dict[str, set[str]]:
        """Customer -> the fields of reads that were recorded after a position."""
        fields = dict[str, set[str]]()
        for stored in self.access.read(since, 1000):
            event = parse(stored.state)
            if event.type == PersonalDataRead.TYPE:
                fields.setdefault(event.customer, set()).update(event.data["fields"])
        return fields


class SwitchedKeyring:
    """A real keyring that can be out of reach."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self.away = False

    def fetch(self, subjects: Any) -> Any:
        if self.away:
            raise Unavailable("the keyring does not answer")
        return self.keyring.fetch(subjects)


class SwitchedLog(MemoryLog):
    """An access log that can be out of reach."""

    away = False

    async def commit(self, commit: Commit) -> Committed:
        if self.away:
            raise Unavailable("the access log does not answer")
        return await super().commit(commit)


def told(ann: str, ben: str, carl: str, gone: str) -> History:
    history = History()
    history.tell(
        ann,
        customer_registered(
            "Ann Müller", PHONE, birth_date="1990-02-03", identifiers=[{"type": "tax", "value": "DE123456789"}]
        ),
        says.ContactPointAdded(contact_id=MAIL, kind="email", value="annmueller@example.org"),
        says.AddressSet(usage="main", address=says.Address(locality="Berlin")),
        says.Classified(scheme="segment", code="gold"),
        says.ExtensionFieldSet(field="shoe", value=42),
    )
    history.tell(ben, customer_registered("Anna Mueller", source="web", external_id="a/7"))
    history.tell(carl, customer_registered("Carl", tags=("vip",)), says.CustomerArchived(reason="moved"))
    history.tell(gone, customer_registered("Gone Person", "+4930000000"))
    for serial, customer in enumerate((ann, ben, carl, gone), 1):
        history.tell(customer, NumberAssigned(number=f"K-{serial}", rule="r", serial=serial))
    history.tell(ben, AliasAdded(alias="OLD-7", kind="former"))
    move = Move(customer=ben, identity=ann)
    history.tell(ann, Linked(a=ann, b=ben, evidence=("phone",), decided_by="rule", moves=(move,)))
    for day in (1, 2, 3):
        due = datetime(2026, 3, day, 8, tzinfo=UTC)
        plan = ReminderPlanned(
            reminder_id=uuid7(),
            kind="follow_up",
            due_at=due,
            local_date=due.date(),
            zone="UTC",
            note=f"note {day}",
        )
        history.tell(ann, plan)
    return history


@pytest.fixture(scope="module")
async def served(mongo_url: str, keyring: Keyring, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    issuer = tmp_path_factory.mktemp("issuer")
    verifier = Verifier.from_file(make_issuer(issuer), "custlog", "custlog")
    ann, ben, carl, gone = (uuid7() for _ in range(4))
    wire, switched, access = Wire(keyring), SwitchedKeyring(keyring), SwitchedLog("access")
    history = told(ann, ben, carl, gone)
    records = wire.put(history.events)
    keyring.destroy(gone)

    async def ready() -> Readiness:
        return Readiness(ok=True)

    async with views_in(mongo_url, keyring) as application:
        await application.take(sources(records))
        store: Any = application.store
        topics = Topics("localhost:1", list(TOPICS), PARTITIONS)
        rebuild = Rebuild(application, topics)
        ring: Any = switched
        journal, past = Journal(access), Past(store, ring)
        # Every question asks for the policies anew.
        policies = api.Policies(store, monotonic=count().__next__)
        routers = [
            api.customers(store, ring, journal, policies),
            api.policies(policies, past),
            api.directory(store, journal, policies),
            api.agenda(store, ring, journal),
            api.views(past, Reconstruction(application, topics), ring, journal, policies),
            parking(application.parked, application.redrive),
            api.erasures(store),
            api.operations(application, rebuild),
        ]
        app = create_app(Settings(service="projections"), verifier, routers, ready, journal=journal)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Api(client, issuer, ann, ben, carl, gone, switched, application, access, history, wire)


async def test_a_customer_is_found_by_every_reference(served: Api) -> None:
    for path in (served.ann, served.ben, "K-1", "K-2", "OLD-7", "by-source/web/a/7"):
        found = await served.read(f"/customers/{path}")
        assert found["identity"] == served.ann
        assert [member["customer"] for member in found["members"]] == [served.ann, served.ben]


async def test_the_etag_is_the_version_of_the_customer_that_was_asked_for(served: Api) -> None:
    assert (await served.get(f"/customers/{served.ann}")).headers["ETag"] == '"5"'
    assert (await served.get(f"/customers/{served.ben}")).headers["ETag"] == '"1"'
    assert "ETag" not in (await served.get("/customers/K-1")).headers


async def test_sealed_values_are_opened_for_those_who_may_see_them(served: Api) -> None:
    ann = (await served.read(f"/customers/{served.ann}"))["members"][0]
    assert ann["name"]["value"]["full"] == "Ann Müller"
    assert ann["birth_date"]["value"] == "1990-02-03"
    assert {contact["kind"]: contact["value"] for contact in ann["contacts"]} == {
        "phone": PHONE,
        "email": "annmueller@example.org",
    }
    assert ann["addresses"]["main"]["value"]["locality"] == "Berlin"
    assert ann["extensions"]["shoe"]["value"] == 42
    assert ann["identifiers"][0]["value"] == "DE123456789"
    assert ann["number"] == "K-1"


async def test_a_masked_reader_sees_only_parts(served: Api) -> None:
    ann = (await served.read(f"/customers/{served.ann}", "viewer"))["members"][0]
    assert ann["name"]["value"]["full"] == "A***"
    assert ann["name"]["masked"] is True
    assert ann["birth_date"]["value"] == "1990-**-**"
    assert ann["addresses"]["main"]["value"]["locality"] == "***"
    assert {contact["value"] for contact in ann["contacts"]} == {"***3456", "a***@***"}
    assert ann["identifiers"] == [
        {"hidden": True, "type": "tax", "event": ann["name"]["event"], "at": ann["name"]["at"]}
    ]


async def test_core_fields_are_masked_for_sales(served: Api) -> None:
    ann = (await served.read(f"/customers/{served.ann}", "sales"))["members"][0]
    assert ann["name"]["value"]["full"] == "Ann Müller"
    assert ann["identifiers"][0]["value"] == "***89"


async def test_every_role_that_may_read_customers_sees_business_fields() -> None:
    for role, actions in GRANTS.items():
        if "customer.read" in actions:
            assert sees([role], Level.BUSINESS) == "allow"


async def test_the_golden_record_tells_value_member_event_and_reason(served: Api) -> None:
    golden = await served.read("/customers/K-2/golden")
    fields = golden["fields"]
    assert golden["policy"] == "shipped.3"
    assert (fields["name"]["value"]["full"], fields["name"]["member"], fields["name"]["why"]) == (
        "Anna Mueller",
        served.ben,
        "most recent",
    )
    assert fields["birth_date"]["value"] == "1990-02-03"
    assert fields["phone"]["value"] == PHONE
    assert fields["classification:segment"]["value"] == "gold"
    assert fields["kind"]["value"] == "person"
    assert fields["number"]["value"] == "K-1"
    assert fields["extension:shoe"]["value"] == 42
    assert fields["address:main"]["value"]["locality"] == "Berlin"


async def test_an_erased_customer_is_shown_as_erased(served: Api) -> None:
    found = await served.read(f"/customers/{served.gone}")
    assert found["members"][0]["name"]["erased"] is True
    assert "value" not in found["members"][0]["name"]
    assert found["golden"]["fields"]["name"]["erased"] is True


async def test_without_the_keyring_nobody_is_shown_less_than_there_is(served: Api) -> None:
    served.keyring.away = True
    try:
        for path in (f"/customers/{served.ann}", "/customers/K-1/golden", "/agenda"):
            response = await served.get(path)
            assert response.status_code == 503
            assert response.headers["Retry-After"]
    finally:
        served.keyring.away = False


async def test_the_timeline_is_paged_and_filtered(served: Api) -> None:
    seen: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = await served.read("/customers/K-1/timeline", limit=4, **after)
        seen += page["items"]
        if page["after"] is None:
            break
        after = {"after": page["after"]}
    assert len(seen) == len({event["id"] for event in seen}) == 13
    assert [event["at"] for event in seen] == sorted(event["at"] for event in seen)
    links = await served.read("/customers/K-1/timeline", type="identity.linked")
    assert [event["type"] for event in links["items"]] == ["identity.linked"]
    assert (await served.get("/customers/K-1/timeline", after="nonsense")).status_code == 422


async def test_the_directory_finds_by_number_name_phone_and_class(served: Api) -> None:
    async def found(**query: Any) -> list[str]:
        return [item["identity"] for item in (await served.read("/directory", **query))["items"]]

    assert await found(number="OLD-7") == [served.ann]
    assert await found(name="MÜLL ann") == [served.ann]
    assert await found(name="carl") == [served.carl]
    assert await found(name="arl") == [served.carl]
    assert await found(name="arl", **{"class": "segment:gold"}) == []
    assert await found(name="gone") == []
    assert await found(phone="3456") == [served.ann]
    assert await found(phone="030 123456") == [served.ann]
    assert await found(**{"class": "segment:gold"}) == [served.ann]
    assert await found(**{"class": "vip"}) == [served.carl]
    assert len(await found()) == 3
    page = await served.read("/directory", limit=2)
    rest = await served.read("/directory", limit=2, after=page["after"])
    assert [item["identity"] for item in page["items"] + rest["items"]] == sorted(
        [served.ann, served.carl, served.gone]
    )


async def test_only_who_sees_names_may_search_by_them(served: Api) -> None:
    assert (await served.get("/directory", "viewer", name="ann")).status_code == 403
    assert (await served.get("/directory", "viewer", phone="3456")).status_code == 403
    (item,) = (await served.read("/directory", "viewer", number="K-3"))["items"]
    assert item["name"] == {"value": "C***", "masked": True}


async def test_the_agenda_lists_by_date(served: Api) -> None:
    page = await served.read("/agenda", **{"from": "2026-03-02", "to": "2026-03-31"}, limit=1)
    (item,) = page["items"]
    assert (item["local_date"], item["note"], item["state"]) == ("2026-03-02", {"value": "note 2"}, "planned")
    more = await served.read("/agenda", after=page["after"])
    assert [item["local_date"] for item in more["items"]] == ["2026-03-03"]
    assert (await served.read("/agenda", state="fired"))["items"] == []
    assert (await served.get("/agenda", "viewer")).status_code == 403


async def test_the_pulse_and_the_numbers_are_open_to_readers(served: Api) -> None:
    pulse = {day["log"]: day["types"] for day in await served.read("/pulse", "viewer")}
    assert pulse["customer"]["customer.registered"] == 4
    assert await served.read("/numbers/OLD-7", "viewer") == {
        "number": "OLD-7",
        "kind": "former",
        "customer": served.ben,
        "identity": served.ann,
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/customers/K-99", 404),
        ("/customers/00000000-0000-7000-8000-000000000000", 404),
        ("/customers/by-source/web/nobody", 404),
        ("/customers/%24where", 422),
        ("/customers/K-1/timeline?limit=100000", 422),
        ("/customers/K-1/timeline?type[$ne]=x", 200),
        ("/directory?name=%00", 400),
        ("/directory?after=x", 422),
        ("/agenda?from=yesterday", 422),
        ("/agenda?state=all", 422),
    ],
)
async def test_a_bad_question_gets_a_clear_answer(served: Api, path: str, status: int) -> None:
    assert (await served.get(path)).status_code == status


async def test_without_token_or_right_nothing_is_told(served: Api) -> None:
    assert (await served.client.get("/customers/K-1")).status_code == 401
    for path in ("/customers/K-1", "/directory", "/pulse"):
        assert (await served.get(path, "operator")).status_code == 403
    for path in ("/ops/parked", "/ops/rebuild"):
        assert (await served.get(path, "sales")).status_code == 403
        assert (await served.get(path, "operator")).status_code == 200


async def test_a_view_without_a_build_of_this_version_answers_later(served: Api) -> None:
    aliases = served.database[ALIASES]
    await aliases.update_one({"_id": "pulse"}, {"$inc": {"version": 1}})
    try:
        assert (await served.get("/pulse")).status_code == 503
    finally:
        await aliases.update_one({"_id": "pulse"}, {"$inc": {"version": -1}})


ALL = {"name", "birth_date", "contacts", "addresses", "extensions", "identifiers"}


@pytest.mark.parametrize(
    ("path", "role", "ann", "ben"),
    [
        ("/customers/K-1", "manager", ALL, {"name"}),
        ("/customers/by-source/web/a/7", "manager", ALL, {"name"}),
        ("/customers/K-1", "sales", ALL - {"identifiers"}, {"name"}),
        ("/customers/K-1", "viewer", None, None),
        ("/customers/K-2/golden", "manager", ALL - {"identifiers"}, {"name"}),
        ("/customers/K-1/timeline", "manager", None, None),
        ("/numbers/K-1", "manager", None, None),
        ("/directory?number=K-1", "manager", None, {"name"}),
        ("/directory?number=K-1", "viewer", None, None),
        ("/agenda?from=2026-03-02", "manager", {"due_at", "local_date", "note"}, None),
        ("/pulse", "manager", None, None),
    ],
)
async def test_what_an_answer_shows_in_the_clear_is_recorded(
    served: Api, path: str, role: str, ann: set[str] | None, ben: set[str] | None
) -> None:
    since = served.access.head()

    await served.get(path, role)

    expected = {served.ann: ann, served.ben: ben}
    assert served.shown(since) == {customer: fields for customer, fields in expected.items() if fields}


async def test_a_record_says_who_asked_what_for_and_by_which_operation(served: Api) -> None:
    since, correlation = served.access.head(), uuid7()
    token = issue(served.issuer, "u7", ["manager"])
    headers = {"Authorization": f"Bearer {token}", "Custlog-Purpose": "complaint", "X-Correlation-Id": correlation}

    await served.client.get("/customers/K-2", headers=headers)

    events = [parse(stored.state) for stored in served.access.read(since, 10)]
    assert {event.customer for event in events} == {served.ann, served.ben}
    for event in events:
        assert (event.actor.id, event.purpose, event.correlation) == ("u7", "complaint", correlation)
        assert event.data["operation"] == "GET /customers/{ref}"


async def test_an_erased_customer_leaves_no_record(served: Api) -> None:
    since = served.access.head()

    await served.read(f"/customers/{served.gone}")

    assert served.shown(since) == {}


async def test_without_the_access_log_nothing_personal_is_shown(served: Api) -> None:
    served.access.away = True
    try:
        for path in ("customers/K-1", "customers/K-1/golden", "customers/by-source/web/a/7", "directory", "agenda"):
            response = await served.get(f"/{path}")
            assert response.status_code == 503
            assert "Ann" not in response.text
        assert (await served.get("/customers/K-1", "viewer")).status_code == 200
        assert (await served.get("/pulse")).status_code == 200
    finally:
        served.access.away = False
