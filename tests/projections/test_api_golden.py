"""The golden record over HTTP: what did not hold, contacts, pins, and policies now and then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.events import customer as says
from shared.events.envelope import instant
from shared.events.survivorship import POLICY, Policy, Rule, SurvivorshipPolicySet, ValuePinned, ValueUnpinned
from tests.projections.test_api import MAIL, PHONE, Api, served
from tests.support.events import START, an_id

pytestmark = pytest.mark.server
__all__ = ["served"]
FULLEST = Policy(default=Rule(order=("source", "longest"), sources=("crm", "*")))


async def named(served: Api, **query: Any) -> tuple[str, str, str]:
    """The name that holds, why, and by which policy."""
    golden = await served.read("/customers/K-1/golden", **query)
    field = golden["fields"]["name"]
    return field["value"]["full"], field["why"], golden["policy"]


async def listed_name(served: Api) -> str:
    (found,) = (await served.read("/directory", number="K-1"))["items"]
    name: str = found["name"]["value"]
    return name


async def test_values_that_do_not_hold_stay_visible(served: Api) -> None:
    name = (await served.read("/customers/K-1/golden"))["fields"]["name"]

    (other,) = name["others"]
    assert (other["value"]["full"], other["member"], other["source"], other["lost"]) == (
        "Ann Müller",
        served.ann,
        "crm",
        "most recent",
    )


async def test_contacts_are_listed_with_their_values_and_masked_for_a_viewer(served: Api) -> None:
    contacts = (await served.read("/customers/K-1/golden"))["contacts"]
    masked = (await served.read("/customers/K-1/golden", "viewer"))["contacts"]

    assert [entry["value"] for entry in contacts["phone"]] == [PHONE]
    assert [(entry["value"], entry["contact"], entry["members"]) for entry in contacts["email"]] == [
        ("annmueller@example.org", MAIL, [served.ann])
    ]
    assert masked["phone"][0]["value"] == "***3456"


async def test_a_viewer_gets_the_same_choice_and_sees_it_masked(served: Api) -> None:
    seen, shown = [(await served.read("/customers/K-1/golden", role))["fields"]["name"] for role in ("viewer", "sales")]

    assert [seen[part] for part in ("member", "event", "why")] == [shown[part] for part in ("member", "event", "why")]
    assert seen["others"][0]["value"]["full"] == "A***"


async def test_a_policy_holds_when_it_begins_and_the_past_keeps_its_own(served: Api) -> None:
    before = instant(START + timedelta(minutes=len(served.history.events) - 1))
    policy = SurvivorshipPolicySet(version=1, policy=FULLEST, effective_from=START, reason="the CRM is kept best")
    assert await named(served) == ("Anna Mueller", "most recent", "shipped.3")
    later = policy.model_copy(update={"version": 2, "effective_from": START + timedelta(days=365_000)})
    await served.tell(POLICY, policy, later, stream=f"survivorship-{POLICY}")

    assert await named(served) == ("Ann Müller", "source rank", "1")
    assert await listed_name(served) == "Ann Müller"
    assert await named(served, as_of=before) == ("Anna Mueller", "most recent", "shipped.3")
    told = await served.read("/survivorship/policies")
    assert (told["in_force"], [one["policy"] for one in told["policies"]]) == ("1", ["shipped.3", "1", "2"])
    assert told["policies"][1]["content"]["default"]["sources"] == ["crm", "*"]
    then = await served.read("/survivorship/policies", as_of=before)
    assert (then["in_force"], len(then["policies"])) == ("shipped.3", 1)


async def test_a_pin_holds_for_the_identity_and_in_lists_until_it_ends(served: Api) -> None:
    await served.tell(served.ben, ValuePinned(field="name", reason="seen"))
    await served.tell(served.ben, says.NameCorrected(name=says.Name(full="Anna M")))

    assert (await named(served))[:2] == ("Anna Mueller", "pinned")
    assert await listed_name(served) == "Anna Mueller"
    ben = (await served.read("/customers/K-1"))["members"][1]
    assert ben["name"]["value"]["full"] == "Anna M"
    assert (ben["pins"]["name"]["by"], ben["version"]) == ("u1", 3)

    await served.tell(served.ben, ValueUnpinned(field="name", reason="done"))
    assert (await named(served))[:2] == ("Ann Müller", "source rank")


async def test_an_unknown_contact_is_no_pin(served: Api) -> None:
    await served.tell(served.carl, ValuePinned(field=f"phone:{an_id('nobody')}", reason="seen"))

    assert (await served.read(f"/customers/{served.carl}"))["members"][0]["pins"] == {}
