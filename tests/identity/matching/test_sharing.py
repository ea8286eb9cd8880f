"""Who is compared with whom, by the keys they share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from services.identity.matching.fingerprint import KINDS, Evidence
from services.identity.matching.sharing import ALONE, COMMON, brought, counting

PHONE, NAME, BIRTH, DOOR = (KINDS[kind] for kind in ("phone", "name", "birth", "door"))


def crowd(size: int, first: int = 0) -> list[str]:
    return [f"c{number:03}" for number in range(first, first + size)]


def test_a_phone_brings_together_with_everybody_who_has_it() -> None:
    found = brought("new", {b"p": PHONE}, {b"p": crowd(COMMON)})

    assert found == (crowd(COMMON), 0)


def test_a_key_that_more_share_than_are_looked_at_brings_nobody_and_is_told() -> None:
    found = brought("new", {b"p": PHONE}, {b"p": crowd(COMMON + 1)})

    assert found == ([], 1)


def test_a_birthday_brings_together_with_the_few_who_have_it_and_with_none_of_many() -> None:
    few, many = crowd(ALONE[BIRTH]), crowd(ALONE[BIRTH] + 1)

    assert brought("new", {b"b": BIRTH}, {b"b": few}).customers == few
    assert brought("new", {b"b": BIRTH}, {b"b": many}).customers == []


def test_a_second_key_that_many_have_brings_together_those_who_have_both() -> None:
    holders = {b"b": crowd(20), b"d": crowd(20, first=18)}

    found = brought("new", {b"b": BIRTH, b"d": DOOR}, holders)

    assert found.customers == ["c018", "c019"]


def test_a_name_brings_together_with_more_than_a_door_does() -> None:
    some = crowd(ALONE[NAME])

    assert brought("new", {b"n": NAME, b"d": DOOR}, {b"n": some, b"d": crowd(30, first=90)}).customers == some
    assert brought("new", {b"d": DOOR}, {b"d": some}).customers == []


def test_nobody_is_brought_together_with_itself_and_nobody_counts_as_somebody_else() -> None:
    known = [*crowd(ALONE[BIRTH]), "self"]

    assert brought("self", {b"b": BIRTH}, {b"b": known}).customers == crowd(ALONE[BIRTH])


def test_a_kind_that_this_build_does_not_know_brings_together() -> None:
    assert brought("new", {b"x": 99}, {b"x": crowd(9)}).customers == crowd(9)


@given(st.lists(st.lists(st.sampled_from("pqndbh"), max_size=6), min_size=2, max_size=9))
def test_two_are_brought_together_by_the_keys_that_count_for_them_whoever_came_first(
    keys: Sequence[Sequence[str]],
) -> None:
    kinds = {"p": PHONE, "q": PHONE, "n": NAME, "d": DOOR, "b": BIRTH, "h": KINDS["head-place"]}
    records = {f"r{row}": {key.encode(): kinds[key] for key in dict.fromkeys(found)} for row, found in enumerate(keys)}
    holders = {key.encode(): [one for one, evidence in records.items() if key.encode() in evidence] for key in kinds}

    for one, other in permutations(records, 2):
        shared: Evidence = {key: kind for key, kind in records[one].items() if key in records[other]}
        met = other in brought(one, records[one], holders).customers
        assert met == (one in brought(other, records[other], holders).customers)
        assert met == bool(list(counting(shared, holders)))
