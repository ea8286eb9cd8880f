"""A customer as a row of the exported base, and read back as `custlog match` reads it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.matching import base
from services.identity.matching.columns import columns
from services.identity.matching.customer import normal_of, raw_of
from services.identity.matching.features import NOTHING, Features, Place
from services.identity.matching.normalise.record import normalise
from services.identity.matching.record import Raw

ANN = Features(
    full="Ann Example-Tester",
    given="Ann",
    family="Example-Tester",
    birth_date="1980-02-03",
    contacts={"1": ("phone", "+15550100199"), "2": ("email", "ann@example.org"), "3": ("phone", "+15550100142")},
    addresses={"main": Place(line="12 High Street", postcode="SW1A 1AA", locality="London", country="GB")},
    identifiers=(("tax", "12345"), ("passport", "P 77")),
    former=("Ann Before",),
)
FIRM = Features(kind="organisation", full="Example Trading Ltd", identifiers=(("tax", "9"),))
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
people = st.builds(
    Features,
    kind=st.sampled_from(["person", "organisation"]),
    full=texts,
    given=texts,
    family=texts,
    contacts=st.dictionaries(texts, st.tuples(st.sampled_from(["phone", "email", "social"]), texts), max_size=3),
    identifiers=st.lists(st.tuples(st.sampled_from(["tax", "a:b"]), texts), max_size=2).map(tuple),
    former=st.lists(texts, max_size=2).map(tuple),
)


def read_back(features: Features) -> Raw:
    return columns(base.COLUMNS).raw(base.row("c1", features))


@pytest.mark.parametrize("features", [ANN, FIRM], ids=["a person", "an organisation"])
def test_a_row_is_compared_as_the_customer_is(features: Features) -> None:
    assert normalise(read_back(features)) == normal_of(features)


def test_a_row_holds_what_was_given_under_the_names_that_are_understood() -> None:
    row = dict(zip(base.COLUMNS, base.row("c1", ANN), strict=True))

    assert {name: value for name, value in row.items() if value} == {
        "id": "c1",
        "kind": "person",
        "full_name": "Ann Example-Tester",
        "given_name": "Ann",
        "surname": "Example-Tester",
        "other_name": "Ann Before",
        "birth_date": "1980-02-03",
        "phone": "+15550100199;+15550100142",
        "email": "ann@example.org",
        "street": "12 High Street",
        "city": "London",
        "postcode": "SW1A 1AA",
        "country": "GB",
        "identifier": "tax:12345;passport:P 77",
    }
    assert columns(base.COLUMNS).ignored == []


def test_of_several_addresses_the_main_one_is_told() -> None:
    places = {"billing": Place(locality="Berlin"), "main": Place(locality="Bonn"), "postal": Place(locality="Ulm")}

    assert read_back(msgspec.structs.replace(ANN, addresses=places)).addresses[0].city == "Bonn"
    assert (
        read_back(msgspec.structs.replace(ANN, addresses={"postal": Place(locality="Ulm")})).addresses[0].city == "Ulm"
    )


@given(people)
def test_no_value_is_taken_for_two_or_for_another_field(features: Features) -> None:
    given, told = raw_of(features), read_back(features)

    def spelled(values: Any) -> tuple[str, ...]:
        return tuple(dict.fromkeys(plain for value in values if (plain := value.replace(";", " ").strip())))

    assert (told.full, told.given, told.family) == (given.full.strip(), given.given.strip(), given.family.strip())
    assert (told.phones, told.emails) == (spelled(given.phones), spelled(given.emails))
    assert told.others == spelled(given.others)
    assert len(told.identifiers) <= len(given.identifiers)


def test_whose_fields_a_row_shows_is_told_by_what_it_holds() -> None:
    assert base.disclosed([("c1", ANN), ("c2", FIRM), ("c3", NOTHING)]) == {
        "c1": {"name", "birth_date", "contacts", "addresses", "identifiers"},
        "c2": {"name", "identifiers"},
        "c3": set(),
    }
