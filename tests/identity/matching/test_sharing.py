"""Who is compared with whom, by the keys they share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.matching.fingerprint import KINDS
from services.identity.matching.sharing import ALONE, COMMON, UNLED, brought, counting

PHONE, NAME, BIRTH, DOOR = (KINDS[kind] for kind in ("phone", "name", "birth", "door"))


def crowd(size: int, first: int = 0) -> list[str]:
    return [f"c{number:03}" for number in range(first, first + size)]


def test_a_phone_brings_together_with_everybody_who_has_it() -> None:
    found = brought("new", {b"p": PHONE}, {b"p": crowd(COMMON)})

    assert found == (crowd(COMMON), 0)


def test_a_key_that_more_share_than_are_looked_at_brings_nobody_and_is_told() -> None:
    found = brought("new", {b"p": PHONE}, {b"p": crowd(COMMON + 1)})

    assert found == ([], 1)


@pytest.mark.parametrize(("known", "most"), [({}, UNLED[BIRTH]), ({b"p": PHONE}, ALONE[BIRTH])])
def test_a_birthday_brings_together_few_and_fewer_where_a_phone_leads_to_somebody(
    known: dict[bytes, int], most: int
) -> None:
    evidence = {b"b": BIRTH, **known}

    assert brought("new", evidence, {b"b": crowd(most), b"p": []}).customers == crowd(most)
    assert brought("new", evidence, {b"b": crowd(most + 1), b"p": []}).customers == []


def test_a_second_key_that_many_have_brings_together_those_who_have_both() -> None:
    holders = {b"b": crowd(20), b"d": crowd(20, first=18)}

    found = brought("new", {b"b": BIRTH, b"d": DOOR}, holders)

    assert found.customers == ["c018", "c019"]


def test_a_name_brings_together_with_more_than_a_door_does() -> None:
    some = crowd(ALONE[NAME])

    assert brought("new", {b"n": NAME, b"d": DOOR}, {b"n": some, b"d": crowd(30, first=90)}).customers == some
    assert brought("new", {b"d": DOOR}, {b"d": some}).customers == []


def test_nobody_is_brought_together_with_itself_and_nobody_counts_as_somebody_else() -> None:
    known = [*crowd(ALONE[DOOR]), "self"]

    assert brought("self", {b"d": DOOR}, {b"d": known}).customers == crowd(ALONE[DOOR])


def test_a_kind_that_this_build_does_not_know_brings_together() -> None:
    assert brought("new", {b"x": 99}, {b"x": crowd(9)}).customers == crowd(9)


@given(st.lists(st.lists(st.sampled_from("pqndbh"), max_size=6), min_size=2, max_size=12))
def test_an_explanation_tells_the_keys_by_which_two_were_brought_together(keys: Sequence[Sequence[str]]) -> None:
    kinds = {"p": PHONE, "q": PHONE, "n": NAME, "d": DOOR, "b": BIRTH, "h": KINDS["head-place"]}
    records = {f"r{row}": {key.encode(): kinds[key] for key in dict.fromkeys(found)} for row, found in enumerate(keys)}
    holders = {key.encode(): [one for one, evidence in records.items() if key.encode() in evidence] for key in kinds}

    met = {(one, other) for one in records for other in brought(one, records[one], holders).customers}

    for one, other in combinations(records, 2):
        told = bool(counting(records[one], records[other], holders))
        assert told == ((one, other) in met or (other, one) in met)
