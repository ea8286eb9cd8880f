"""Policies as files, and what one would change: given events, then the figures."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import PROJECT
from deploy.survivorship import preview, read_policy
from services.projections.views.survivorship import SHIPPED
from shared.events.identity import Linked, Move
from shared.events.survivorship import POLICY, Policy, Rule, SurvivorshipPolicySet
from tests.docs import markdown
from tests.support.events import START, History, an_id, customer_registered

ANN, BEN = sorted((an_id("ann"), an_id("ben")))
LATER = "2027-01-01T00:00:00.000000Z"
LONGEST = Policy(default=Rule(order=("longest",)))


def two_people() -> History:
    history = History().tell(ANN, customer_registered("Ada Lovelace")).tell(BEN, customer_registered("Ada"))
    history.tell(an_id("carl"), customer_registered("Carl"))
    moves = (Move(customer=BEN, identity=ANN),)
    return history.tell(ANN, Linked(a=ANN, b=BEN, evidence=(), decided_by="r", moves=moves))


def test_a_preview_counts_the_golden_records_that_would_change() -> None:
    found = preview(two_people().events, Policy(default=SHIPPED.default, fields={"name": LONGEST.default}), LATER)

    assert (found.against, found.identities, found.changed) == ("shipped.3", 2, 1)
    assert (found.fields, found.some) == ({"name": 1}, (ANN,))


def test_a_preview_compares_with_the_policy_in_force_and_shows_no_value() -> None:
    history = two_people()
    told = SurvivorshipPolicySet(version=1, policy=LONGEST, effective_from=START, reason="fuller")
    history.tell(POLICY, told, stream=f"survivorship-{POLICY}")

    same, back = preview(history.events, LONGEST, LATER), preview(history.events, SHIPPED, LATER)

    assert (same.against, same.changed) == ("1", 0)
    assert back.fields["name"] == 1
    assert "Ada" not in repr(back)


def test_the_policy_that_the_page_shows_can_be_set() -> None:
    page = (PROJECT / "docs" / "golden.md").read_text(encoding="utf-8")
    (shown,) = [block.text for block in markdown.blocks(page) if block.info == "toml"]

    policy = Policy.model_validate(tomllib.loads(shown))

    assert policy.default.order == SHIPPED.default.order
    assert policy.rule("address:main").order == ("verified", "recency", "longest")
    assert policy.together == {"bank": ("extension:iban", "extension:bic")}


@pytest.mark.parametrize("name", ["policy.toml", "policy.json"])
def test_a_file_is_read_as_toml_or_json(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(
        '[default]\norder = ["longest"]\n' if name.endswith("toml") else '{"default": {"order": ["longest"]}}'
    )

    assert read_policy(file) == LONGEST


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "[default", "neither TOML nor JSON"),
        ("a.json", "{", "neither TOML nor JSON"),
        ("a.json", "[]", "is no policy: the whole"),
        ("a.toml", '[default]\norder = ["luck"]', "is no policy: default.order.0"),
        ("a.toml", '[default]\norder = ["recency"]\n[fields.shoe]\norder = ["recency"]', "is no policy: fields.shoe"),
    ],
)
def test_a_file_that_is_no_policy_is_named_with_what_is_wrong(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    with pytest.raises(EmbeddedError, match=said):
        read_policy(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="cannot be read"):
        read_policy(tmp_path / "none.toml")
