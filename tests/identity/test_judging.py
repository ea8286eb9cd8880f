"""The shipped model over customers: pairs that must and pairs that must not be one, and the keys that find them."""

from __future__ import annotations

import base64
import json
from hashlib import sha1
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.clustering import Scored
from services.identity.domain.deciding import decide
from services.identity.domain.identities import Question
from services.identity.matching.customer import normal_of
from services.identity.matching.features import Features
from services.identity.matching.fingerprint import KINDS, fingerprints
from services.identity.matching.judging import MOST, Judge
from services.identity.matching.model import shipped
from services.identity.records import found_among
from shared.events import customer as facts
from shared.events.envelope import Contract
from shared.privacy.keyring import KeyEncryptionKeys
from tests.identity.people import features, person
from tests.identity.test_domain import alone, customer

KEY = b"k" * 32
JUDGE = Judge(shipped())
FINGERPRINTS = fingerprints(KEY)


def scored(left: Contract, right: Contract) -> Scored:
    return JUDGE.scored("a", "b", {"a": normal_of(features(left)), "b": normal_of(features(right))})


def found(left: Contract, right: Contract) -> bool:
    """Whether the keys that are stored bring the two together."""
    return not FINGERPRINTS(normal_of(features(left))).keys().isdisjoint(FINGERPRINTS(normal_of(features(right))))


def word(of: str) -> str:
    """Forty letters that resemble no other word's."""
    return sha1(of.encode(), usedforsecurity=False).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))


ANN = person("Ann", "Lee", born="1980-02-03", street="Main Street 7", postcode="10115")

SAME = [
    (person(tax="38 34-59"), person(tax="383459"), "identifier"),
    (ANN, person("ANN", "LEE", born="1980-02-03"), "name-birth_date"),
    (ANN, person("Lee", "Ann", born="1980-02-03"), "name-birth_date"),
    (ANN, person(full="Ann Lee", born="1980-02-03"), "name-birth_date"),
    (person(full="王伟", born="1980-02-03"), person("伟", "王", born="1980-02-03"), "name-birth_date"),
    (
        person("\uff21\uff4e\uff4e", "Straße", born="1980-02-03"),
        person("Ann", "STRASSE", born="1980-02-03"),
        "name-birth_date",
    ),
    (person("Ann", "Lee", phone="+493044318276"), person("Ann", "Lee", phone="+493044318276"), "name-phone"),
    (person("Ann", "O'Hara", email="a@b.org"), person("Ann", "OHara", email="A@b.org"), "name-email"),
    (ANN, person("Ann", "Lee", street="7 main street", postcode="10115"), "name-street-postcode"),
    (ANN, person("Anne", "Leigh", born="1980-02-03", postcode="10115"), "given-birth_date-postcode"),
    (ANN, person("Anna", "Leigh", born="1980-02-03", street="Main-Street"), "given-birth_date-street"),
]

DIFFERENT = [
    ("namesakes", ANN, person("Ann", "Lee", born="1981-02-03", postcode="20095")),
    ("a couple", ANN, person("Bob", "Lee", street="Main Street 7", postcode="10115")),
    ("twins", ANN, person("Eva", "Lee", born="1980-02-03", street="Main Street 7", postcode="10115")),
    (
        "a shared phone and mailbox",
        person("Ann", "Lee", phone="+493044318276", email="lees@b.org"),
        person("Bob", "Lee", phone="+493044318276", email="lees@b.org"),
    ),
    ("empty identifiers", person("Ann", "Lee", tax="-"), person("Bob", "Ray", tax="-")),
    ("another kind of identifier", person(tax="1234"), person(identifiers=(facts.Identifier(type="x", value="1234"),))),
]


@pytest.mark.parametrize(("left", "right", "rule"), SAME, ids=[f"{n} {case[2]}" for n, case in enumerate(SAME)])
def test_the_same_customer_is_found_and_merged(left: Contract, right: Contract, rule: str) -> None:
    assert found(left, right)
    assert scored(left, right).band == "merge", scored(left, right)


@pytest.mark.parametrize(("left", "right"), [pair[1:] for pair in DIFFERENT], ids=[pair[0] for pair in DIFFERENT])
def test_different_customers_are_not_merged(left: Contract, right: Contract) -> None:
    assert scored(left, right).band != "merge", scored(left, right)


def test_of_a_crowd_that_is_too_large_to_weigh_links_and_questions_of_the_rest_stand() -> None:
    ids = [customer(number) for number in range(MOST + 4)]
    couples = list(zip(ids[::2], ids[1::2], strict=True))
    normals = {
        one: normal_of(features(person(name[:8], name[8:18], email=f"{name[18:]}@b.org")))
        for couple in couples
        for name in [word(couple[0])]
        for one in couple
    }
    state = alone(*ids)
    decide(state, ids, [Scored(a, b, 20_000) for a, b in couples])
    asked = ids[0], ids[-1]
    state.asked[asked] = Question("v")
    links = set(state.links)

    found = found_among(JUDGE, state, ids, normals)
    decided = decide(state, ids, found, guard=JUDGE.guard(normals))

    assert (decided, state.links, state.asked) == ([], links, {asked: Question("v")})
    assert set(couples) <= {one.ends for one in found}


def test_fingerprints_depend_on_the_key_and_hide_the_value() -> None:
    record = normal_of(features(person("Ann", "Lee", phone="+493044318276")))

    ours, theirs = FINGERPRINTS(record), fingerprints(b"x" * 32)(record)

    assert set(ours.values()) == {KINDS["phone"], KINDS["name"], KINDS["word-phone"]}
    assert ours.keys().isdisjoint(theirs)
    assert all(len(key) == 16 for key in ours)


def test_an_index_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the key"):
        fingerprints(b"")


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=30))
def test_no_text_breaks_the_matcher(given_name: str, family: str, line: str) -> None:
    strange = Features(given=given_name or None, family=family or None, full=line or None, birth_date="1980-01-01")

    assert isinstance(FINGERPRINTS(normal_of(strange)), dict)


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
