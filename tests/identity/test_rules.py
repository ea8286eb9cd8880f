"""The exact rules: pairs that must and pairs that must not be one."""

from __future__ import annotations

import base64
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.matching.features import NOTHING, Features, evolve
from services.identity.matching.fingerprint import fingerprints
from services.identity.matching.rules import RULES, compound_keys, names
from shared.events import customer as facts
from shared.events.envelope import ERASED, Contract
from shared.ids import uuid7
from shared.privacy.keyring import KeyEncryptionKeys

KEY = b"k" * 32


def point(kind: str, value: str) -> facts.ContactPoint:
    return facts.ContactPoint.model_validate({"contact_id": uuid7(), "kind": kind, "value": value})


def person(given: str | None = None, family: str | None = None, **fields: Any) -> facts.CustomerRegistered:
    full = fields.pop("full", None) or " ".join(part for part in (given, family) if part) or "unknown"
    if "born" in fields:
        fields["birth_date"] = date.fromisoformat(fields.pop("born"))
    if "street" in fields or "postcode" in fields:
        lines = tuple(line for line in (fields.pop("street", None),) if line)
        fields["address"] = facts.Address(lines=lines, postcode=fields.pop("postcode", None))
    if "phone" in fields or "email" in fields:
        fields["contact_points"] = tuple(
            point(kind, fields.pop(kind)) for kind in ("phone", "email") if fields.get(kind)
        )
    if "tax" in fields:
        fields["identifiers"] = (facts.Identifier(type="tax", value=fields.pop("tax")),)
    name = facts.Name(full=full, given=given, family=family)
    return facts.CustomerRegistered.model_validate({"kind": "person", "source": "crm", "name": name} | fields)


def features(*events: Contract) -> Features:
    found = NOTHING
    for event in events:
        found = evolve(found, event)
    return found


def shared(left: Contract, right: Contract) -> tuple[str, ...]:
    """The rules by which two registrations are one."""
    ours, theirs = set(compound_keys(features(left))), set(compound_keys(features(right)))
    return names(number for number, _ in ours & theirs)


ANN = person("Ann", "Lee", born="1980-02-03", street="Main Street 7", postcode="10115")

SAME = [
    (person(tax="12 34-56"), person(tax="123456"), "identifier"),
    (ANN, person("ANN", "LEE", born="1980-02-03"), "name-birth_date"),
    (ANN, person("Lee", "Ann", born="1980-02-03"), "name-birth_date"),
    (ANN, person(full="Ann Lee", born="1980-02-03"), "name-birth_date"),
    (person(full="王伟", born="1980-02-03"), person("伟", "王", born="1980-02-03"), "name-birth_date"),
    (
        person("\uff21\uff4e\uff4e", "Straße", born="1980-02-03"),
        person("Ann", "STRASSE", born="1980-02-03"),
        "name-birth_date",
    ),
    (person("Ann", "Lee", phone="+4930123"), person("Ann", "Lee", phone="+4930123"), "name-phone"),
    (person("Ann", "O'Hara", email="a@b.org"), person("Ann", "OHara", email="A@b.org"), "name-email"),
    (ANN, person("Ann", "Lee", street="7 main street", postcode="10115"), "name-street-postcode"),
    (ANN, person("Anne", "Leigh", born="1980-02-03", postcode="10115"), "given-birth_date-postcode"),
    (ANN, person("Anna", "Leigh", born="1980-02-03", street="Main-Street"), "given-birth_date-street"),
    (
        person(full="Acme", kind="organisation", phone="+4930123"),
        person(full="ACME", kind="organisation", phone="+4930123"),
        "name-phone",
    ),
]

DIFFERENT = [
    ("namesakes", ANN, person("Ann", "Lee", born="1981-02-03", postcode="20095")),
    ("a couple", ANN, person("Bob", "Lee", street="Main Street 7", postcode="10115")),
    ("twins", ANN, person("Eva", "Lee", born="1980-02-03", street="Main Street 7", postcode="10115")),
    (
        "a shared phone and mailbox",
        person("Ann", "Lee", phone="+4930123", email="lees@b.org"),
        person("Bob", "Lee", phone="+4930123", email="lees@b.org"),
    ),
    ("half a name", person("Ann", born="1980-02-03"), person("Ann", born="1980-02-03")),
    ("one word", person(full="Ann", born="1980-02-03"), person(full="Ann", born="1980-02-03")),
    ("empty identifiers", person("Ann", "Lee", tax="-"), person("Bob", "Ray", tax="-")),
    ("another kind of identifier", person(tax="1234"), person(identifiers=(facts.Identifier(type="x", value="1234"),))),
]


@pytest.mark.parametrize(("left", "right", "rule"), SAME, ids=[f"{n} {case[2]}" for n, case in enumerate(SAME)])
def test_the_same_customer_shares_evidence(left: Contract, right: Contract, rule: str) -> None:
    assert rule in shared(left, right)


@pytest.mark.parametrize(("left", "right"), [pair[1:] for pair in DIFFERENT], ids=[pair[0] for pair in DIFFERENT])
def test_different_customers_share_no_evidence(left: Contract, right: Contract) -> None:
    assert shared(left, right) == ()


def test_erased_fields_give_no_keys() -> None:
    erased = facts.CustomerRegistered(
        kind="person",
        source="crm",
        name=ERASED,
        birth_date=ERASED,
        contact_points=ERASED,
        address=ERASED,
        identifiers=ERASED,
    )

    assert features(erased) == NOTHING
    assert compound_keys(NOTHING) == []


def test_every_change_of_a_customer_reaches_its_features() -> None:
    phone = uuid7()

    found = features(
        ANN,
        facts.NameCorrected(name=facts.Name(full="Ann Ray", given="Ann", family="Ray")),
        facts.BirthDateSet(birth_date=date(1980, 3, 2)),
        facts.ContactPointAdded(contact_id=phone, kind="phone", value="+4930123"),
        facts.AddressSet(usage="main", address=facts.Address(lines=("Elm Road 1",), postcode="20095")),
        facts.IdentifierAdded(identifier=facts.Identifier(type="tax", value="9")),
        facts.Tagged(added=("vip",)),
    )

    assert (found.family, found.birth_date, found.identifiers) == ("Ray", "1980-03-02", (("tax", "9"),))
    assert found.contacts == {phone: ("phone", "+4930123")}
    assert found.addresses["main"].line == "Elm Road 1"
    assert not evolve(found, facts.ContactPointRemoved(contact_id=phone, reason="left")).contacts
    assert not evolve(found, facts.ContactPointInvalidated(contact_id=phone, reason="bounced")).contacts


def test_erased_changes_take_nothing_in() -> None:
    found = features(
        ANN,
        facts.NameCorrected(name=ERASED),
        facts.BirthDateSet(birth_date=ERASED),
        facts.ContactPointAdded(contact_id=uuid7(), kind="phone", value=ERASED),
        facts.AddressSet(usage="main", address=ERASED),
        facts.IdentifierAdded(identifier=ERASED),
    )

    assert found == NOTHING


def test_features_survive_their_json_form() -> None:
    found = features(person("Ann", "Lee", born="1980-02-03", street="Elm Road", phone="+4930123", tax="1"))

    assert Features.from_json(found.to_json()) == found


def test_rule_numbers_are_stored_and_therefore_fixed() -> None:
    assert [(rule.number, rule.name) for rule in RULES] == [
        (1, "identifier"),
        (2, "name-birth_date"),
        (3, "name-phone"),
        (4, "name-email"),
        (5, "name-street-postcode"),
        (6, "given-birth_date-postcode"),
        (7, "given-birth_date-street"),
    ]


def test_fingerprints_depend_on_the_key_and_hide_the_value() -> None:
    found = features(person("Ann", "Lee", phone="+4930123"))

    ours, theirs = fingerprints(KEY)(found), fingerprints(b"x" * 32)(found)

    assert list(ours.values()) == [3]
    assert ours.keys().isdisjoint(theirs)
    assert all(len(key) == 16 for key in ours)


def test_an_index_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the key"):
        fingerprints(b"")


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=30))
def test_no_text_breaks_a_rule(given_name: str, family: str, line: str) -> None:
    strange = Features(given=given_name or None, family=family or None, full=line or None, birth_date="1980-01-01")

    assert isinstance(fingerprints(KEY)(strange), dict)


def test_the_index_key_outlives_a_rotation_of_the_key_encryption_key(tmp_path: Path) -> None:
    first, second = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(json.dumps({"current": 1, "keys": {"1": first}}))
    after.write_text(json.dumps({"current": 2, "keys": {"2": second, "1": first}}))

    old, new = KeyEncryptionKeys.read(before), KeyEncryptionKeys.read(after)

    assert old.blind_index_key == new.blind_index_key
    assert len(old.blind_index_key) == 32
    assert old.blind_index_key.hex() not in repr(old)
    assert "blind_index_key" not in repr(old)
