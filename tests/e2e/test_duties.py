"""What is owed to a person, on a whole system: their data to take along, no use against their will, and an end."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from deploy import client
from deploy.client import Client
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.embedded.running import running
from deploy.history import open_history
from tests.e2e.system import custlog

pytestmark = [pytest.mark.server, pytest.mark.slow]

ADA = {"kind": "person", "name": {"full": "Ada Zanzibarra", "given": "Ada", "family": "Zanzibarra"}}
REMINDER = {"due_at": "2027-03-01T09:00:00Z", "note": "Ask about the tea"}
PHONES = {"phones": ["+49309018201", "+49308127736"], "birth_date": "1980-02-29"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.at(tmp_path_factory.mktemp("duties") / "home")
    with running(home):
        yield home


@asynccontextmanager
async def desk(home: Home) -> AsyncIterator[Client]:
    async with client.connect(home, "manager1", "manager", "operator") as connected:
        yield connected


async def register(desk: Client, source: str, **more: Any) -> str:
    body = {**ADA, **PHONES, "source": source, "external_id": f"{source}-1", **more}
    answer = await desk.send("POST", "customer", "/customers", body)
    return str(answer.json()["id"])


async def tell(desk: Client, customer: str, command: str, body: Any) -> None:
    await desk.send("POST", "customer", f"/customers/{customer}/{command}", body)


async def golden(home: Home, ref: str) -> dict[str, Any]:
    """Field -> what is known, since when and why; without the number, which every system gives itself."""
    async with desk(home) as reader:
        await client.caught_up(reader)
        fields = (await reader.get("projections", f"/customers/{ref}/golden"))["fields"]
    return {name: (field["value"], field["at"], field["why"]) for name, field in fields.items() if name != "number"}


async def belongings(manager: Client, crm: str) -> str:
    """What no row can carry: a relationship, a link by hand, a follow-up, an order. The id of the linked customer."""
    bob = await register(manager, "other", name="Bob Example", phones=[], birth_date="1970-05-05")
    await tell(manager, crm, "add-relationship", {"other": bob, "role": "spouse"})
    third = await register(manager, "third", name="A. Z.", phones=[], birth_date="1981-01-01")
    await client.caught_up(manager)
    await manager.send("POST", "identity", "/links", {"a": crm, "b": third, "reason": "same passport"})
    await manager.send("POST", "notifications", "/reminders", {"customer": crm, **REMINDER})
    placed = {"reference": "o-1", "currency": "EUR", "total": "30.00"}
    order = (await manager.send("POST", "customer", f"/customers/{crm}/orders", placed)).json()["id"]
    await manager.send("POST", "customer", f"/orders/{order}/pay", {"amount": "10.00", "method": "card"})
    return third


async def test_a_person_takes_everything_along_into_another_system(home: Home, tmp_path: Path) -> None:
    async with desk(home) as manager:
        crm, shop = await register(manager, "crm"), await register(manager, "shop", emails=["ada@example.org"])
        # Rectification: what the person corrects holds against what other sources say, also later.
        await manager.send(
            "PATCH",
            "customer",
            f"/customers/{shop}",
            {"name": "Ada Married", "reason": "marriage"},
            {"If-Match": '"1"', "Custlog-Purpose": "rectification"},
        )
        await tell(manager, crm, "set-address", {"usage": "postal", "address": {"locality": "Berlin"}})
        await tell(manager, crm, "set-extension-field", {"field": "shoe", "value": 42})
        await tell(manager, crm, "give-consent", {"purpose": "marketing", "channel": "spool", "text_version": "v1"})
        await manager.send("POST", "customer", f"/customers/{crm}/tickets", {"topic": "tea", "summary": "Cold tea"})
        third = await belongings(manager, crm)
        await client.caught_up(manager)
        await manager.get("projections", f"/customers/{crm}")
    before = await golden(home, crm)
    assert before["name"][::2] == ({"full": "Ada Married"}, "verified")

    custlog(home, "replay", "--customer", crm)
    made = custlog(home, "subject", "export", "crm:crm-1", "-o", str(tmp_path / "ada.zip"), "--user", "manager1")

    with zipfile.ZipFile(tmp_path / "ada.zip") as packed:
        whole = orjson.loads(packed.read("person.json"))
        assert {name for name in packed.namelist() if name.startswith("intake/")} == {
            "intake/crm.ndjson",
            "intake/shop.ndjson",
            "intake/third.ndjson",
        }
    assert set(whole["customers"]) == {crm, shop, third}
    assert "Cold tea" in [value["value"] for value in whole["values"]]
    assert {"reminder.planned", "identity.linked", "ticket.opened"} <= {value["type"] for value in whole["values"]}
    assert {"GET /customers/{ref}", "REPLAY customer"} <= {seen["operation"] for seen in whole["accesses"]}
    with open_history(home) as history:
        exported = [event for event in history.reads([crm, shop, third]) if event.type == "access.exported"]
    assert {event.data.watermark for event in exported} == {made["watermark"]} == {whole["watermark"]}  # type: ignore[attr-defined]
    assert {(event.customer, event.actor.id) for event in exported} == {
        (customer, "manager1") for customer in (crm, shop, third)
    }

    other = Home.at(tmp_path / "other")
    with running(other):
        async with desk(other) as manager:
            await register(manager, "other", name="Bob Example", phones=[], birth_date="1970-05-05")
            await client.caught_up(manager)
        first = custlog(other, "import", str(tmp_path / "ada.zip"))
        again = custlog(other, "import", str(tmp_path / "ada.zip"))
        assert (first["created"], first["followed"], first["left_out"]) == (3, 7, 0)
        assert (again["repeated"], again["followed"], again["left_out"]) == (3, 7, 0)
        identity = await _by_source(other, "crm")
        assert await golden(other, identity) == before
        async with desk(other) as reader:
            there = await reader.get("projections", f"/customers/{identity}")
            agenda = await reader.get("projections", "/agenda", state="planned")
    (member,) = [member for member in there["members"] if member["source"] == "crm"]
    assert {each["source"] for each in there["members"]} == {"crm", "shop", "third"}
    assert [known["role"] for known in member["relationships"].values()] == ["spouse"]
    assert (member["orders"]["placed"], member["orders"]["paid"], member["tickets"]["opened"]) == (1, 1, 1)
    assert [item["local_date"] for item in agenda["items"] if item["kind"] == "follow_up"] == ["2027-03-01"]


async def _by_source(home: Home, source: str) -> str:
    async with desk(home) as reader:
        await client.caught_up(reader)
        return str((await reader.get("projections", f"/customers/by-source/{source}/{source}-1"))["identity"])


async def test_a_restricted_person_is_marked_and_merged_with_nobody_until_it_is_lifted(home: Home) -> None:
    more = {"name": "Bea Quokkastrasse", "phones": ["+4930777"], "birth_date": "1990-01-01"}
    async with desk(home) as manager:
        first = await register(manager, "one", **more)
        await tell(manager, first, "restrict-processing", {"reason": "accuracy-contested"})
        await client.caught_up(manager)
        second = await register(manager, "two", **more)
        await client.caught_up(manager)
        apart = await manager.get("projections", f"/customers/{first}")
        (found,) = [
            row
            for row in (await manager.get("projections", "/directory", name="quokkastrasse"))["items"]
            if row["identity"] == first
        ]
        with pytest.raises(EmbeddedError, match="restricted"):
            await manager.send("POST", "identity", "/links", {"a": first, "b": second, "reason": "same"})

        await tell(manager, first, "lift-restriction", {"reason": "accuracy-verified"})
        await client.caught_up(manager)
        together = await manager.get("projections", f"/customers/{first}")

    assert (apart["restricted"], found["restricted"], len(apart["members"])) == (True, True, 1)
    assert (together["restricted"], len(together["members"])) == (False, 2)


async def test_the_wrapping_key_is_rotated_while_the_system_runs_and_the_old_one_goes(home: Home) -> None:
    async with desk(home) as manager:
        known = await register(manager, "rotated", name="Cleo Rotated", phones=[])
        await client.caught_up(manager)
        state = orjson.loads(home.kek_file.read_bytes())

        rotated = custlog(home, "keys", "rotate")
        new = await register(manager, "rotated2", name="Dora Rotated", phones=[], birth_date="1991-01-01")
        assert rotated["current"] == state["current"] + 1
        assert rotated["wrapped"] >= 1
        assert custlog(home, "keys", "retire", str(state["current"])) == {"retired": state["current"]}

        await client.caught_up(manager)
        for customer, name in ((known, "Cleo Rotated"), (new, "Dora Rotated")):
            shown = await manager.get("projections", f"/customers/{customer}/golden")
            assert shown["fields"]["name"]["value"]["full"] == name
    with pytest.raises(EmbeddedError, match="run custlog keys rotate before"):
        custlog(home, "keys", "retire", str(rotated["current"]))


async def test_whoever_is_kept_too_long_is_listed_held_and_requested(home: Home) -> None:
    long_ago = {"occurred_at": "2001-05-01T12:00:00Z"}
    async with desk(home) as manager:
        due = await register(manager, "old", name="Eve Old", phones=[], birth_date="1950-01-01", **long_ago)
        held = await register(manager, "older", name="Fay Older", phones=[], birth_date="1950-01-02", **long_ago)
        await tell(manager, held, "place-hold", {"reason": "lawsuit"})
    taken = home.spool / "taken" / "old-message.json"
    taken.write_text("{}")
    os.utime(taken, (time.time() - 91 * 86_400,) * 2)

    listed = custlog(home, "retention", "due")

    states = {row["customer"]: (row["class"], row["since"][:10], row["state"]) for row in listed["customers"]}
    assert states[due] == ("master", "2003-05-01", "due")
    assert states[held] == ("master", "2003-05-01", "held")
    assert listed["messages"] == 1
    assert len(states) == 2

    purged = custlog(home, "retention", "purge", "--user", "clerk")
    again = custlog(home, "retention", "purge", "--user", "clerk")

    assert purged == {"requested": 1, "held": 1, "waiting": 0, "messages": 1}
    assert again == {"requested": 0, "held": 1, "waiting": 1, "messages": 0}
    assert not taken.exists()
    async with desk(home) as manager:
        await tell(manager, due, "approve-erasure", {})
        await client.caught_up(manager)
    with open_history(home) as history:
        asked = next(e for e in history.of_customers([due]) if e.type == "customer.erasure_requested")
    assert (asked.actor.id, asked.data.reason, asked.purpose) == ("clerk", "retention:master", "retention")  # type: ignore[attr-defined]
