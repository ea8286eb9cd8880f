from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.matching import matcher as matching
from services.identity.matching.keys import keys
from services.identity.matching.matcher import Matcher
from services.identity.matching.model import Caps, shipped
from services.identity.matching.normalise.record import normalise
from services.identity.matching.record import Address, Normal, Raw
from services.identity.matching.resolve import resolve
from services.identity.matching.rows import Packed, packed
from tests.identity.matching.people import named, normals

MODEL = shipped()


def arrived(records: dict[str, Normal], order: list[str]) -> set[tuple[str, str, int]]:
    """Every scored pair that shows when the records arrive in this order."""
    matcher = Matcher(MODEL)
    pairs = set()
    for record in order:
        for other in matcher.add(record, records[record]).candidates:
            low, high = sorted((record, other.id))
            pairs.add((low, high, other.weight))
    return pairs


@settings(max_examples=30, deadline=None)
@given(st.lists(normals, min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_pairs_do_not_depend_on_the_order_of_arrival(records: list[Normal], shuffle: random.Random) -> None:
    ids = {f"r{n}": normal for n, normal in enumerate(records)}

    assert arrived(ids, sorted(ids)) == arrived(ids, shuffle.sample(sorted(ids), len(ids)))


def test_a_second_record_finds_the_first() -> None:
    matcher = Matcher(MODEL)

    assert matcher.add("a", named(birth="1980-02-03")).candidates == ()
    found = matcher.add("b", named(birth="1980-02-03"))

    assert [(candidate.id, candidate.band) for candidate in found.candidates] == [("a", "merge")]


def test_asking_stores_nothing() -> None:
    matcher = Matcher(MODEL)
    matcher.add("a", named(birth="1980-02-03"))

    assert matcher.find(named(birth="1980-02-03")).candidates
    assert len(matcher) == 1
    assert matcher.find(named(birth="1980-02-03"), without="a").candidates == ()


def test_a_changed_record_is_found_by_what_it_became() -> None:
    matcher = Matcher(MODEL)
    matcher.add("a", named(birth="1980-02-03"))
    matcher.change("a", named(given="Robert", family="Zhou", birth="1975-06-07"))

    assert matcher.find(named(birth="1980-02-03")).compared == 0
    assert matcher.find(named(given="Robert", family="Zhou", birth="1975-06-07")).candidates[0].id == "a"
    assert matcher["a"] == named(given="Robert", family="Zhou", birth="1975-06-07")


def test_a_removed_record_is_gone() -> None:
    matcher = Matcher(MODEL)
    matcher.add("a", named(birth="1980-02-03"))
    matcher.remove("a")
    matcher.remove("a")

    assert "a" not in matcher
    assert matcher.find(named(birth="1980-02-03")).compared == 0


def test_ten_thousand_records_with_one_phone_are_compared_up_to_the_cap_and_the_skip_is_shown() -> None:
    model = msgspec.structs.replace(MODEL, caps=Caps(block=10))
    matcher = Matcher(model)
    syllables = [first + second for first in "bdfgklmnprst" for second in ("ab", "ec", "id", "of", "ug")]
    for n in range(200):
        family = syllables[n % 60] + syllables[n // 60] + "er"
        matcher.add(f"r{n}", named(given=syllables[(7 * n) % 60], family=family, phone="+49 30 5550101"))

    found = matcher.find(named(given="Zoe", family="Quill", phone="+49 30 5550101"))

    assert "phone" in found.skipped
    assert found.compared <= 20
    assert matcher.over_cap["phone"] == 190


def test_a_first_name_and_a_birthday_bring_those_together_whom_nothing_else_leads_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matching, "FEW", 0)
    matcher = Matcher(MODEL)
    matcher.add("stranger", named(given="Robert", family="Zhang", birth="1975-02-03"))
    matcher.add("with a phone", named(given="Robert", family="Weber", birth="1976-02-03", phone="+49 30 5550101"))

    def compared(**contact: str) -> int:
        return matcher.find(named(given="Robert", family="Miller", birth="1980-02-03", **contact)).compared

    assert (compared(), compared(phone="+49 30 5550102")) == (1, 0)

    matcher.add("with a second key", named(given="Robert", family="Zhou", birth="1980-02-03", phone="+49 30 5550103"))
    assert compared(phone="+49 30 5550102") == 1

    matcher.add("next door, without a phone", named(given="Ulrich", family="Kunz", street="Long Lane"))
    assert compared(phone="+49 30 5550102", street="Long Lane") == 2

    matcher.add("next door", named(given="Petra", family="Vogel", street="Long Lane", phone="+49 30 5550104"))
    assert compared(phone="+49 30 5550102", street="Long Lane") == 2


def test_a_name_alone_brings_nobody_together_with_those_who_were_born_on_another_day_of_another_year(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matching, "FEW", 0)
    matcher = Matcher(MODEL)
    matcher.add("ann", named(given="Ann", family="Miller", birth="1999-02-03", phone="+49 30 5550101", street="Lane"))

    def compared(**other: str) -> int:
        return matcher.find(named(given="Ann", family="Miller", **other)).compared

    assert compared(birth="1962-11-19") == 0
    assert compared(birth="1962-11-19", phone="+49 30 5550101") == 1
    assert compared(birth="1962-11-19", street="Lane") == 1
    assert [compared(birth=near) for near in ("1989-02-03", "1999-11-19", "2000-02-03", "")] == [1, 1, 1, 1]


def test_a_birthday_that_many_share_brings_nobody_together_to_whom_something_else_leads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matching, "FEW", 0)
    matcher = Matcher(MODEL)
    families = ("Abel", "Busch", "Conrad", "Dietz", "Ernst", "Falk", "Gruber", "Hahn", "Iske")
    for number, family in enumerate(families):
        phone = f"+49 30 55501{number:02}"
        matcher.add(family, named(given="Karl", family=family, birth="1980-02-03", phone=phone))
    asked = named(given="Ann", family="Miller", birth="1980-02-03")

    assert matcher.find(asked).compared == 0

    matcher.add("without a phone", named(given="Petra", family="Vogel", birth="1980-02-03"))
    assert matcher.find(asked).compared == 1


def test_nobody_is_found_twice_among_those_who_share_a_full_key_and_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "FEW", 0)
    matcher = Matcher(MODEL)
    streets = ["Long Lane"] * 9 + ["Other Road"] * (MODEL.caps.block - 9)
    for number, street in enumerate(streets):
        address = Address(street=street, number="5", city="Leeds")
        matcher.add(f"acme {number}", normalise(Raw(kind="org", company="Acme Widgets", addresses=(address,))))

    found = matcher.find(matcher["acme 0"])
    ids = [candidate.id for candidate in found.candidates]
    assert "company" in found.skipped
    assert ids
    assert len(ids) == len(set(ids))


def test_a_packed_file_gives_the_same_answer_as_a_list_in_any_order() -> None:
    names = ["Anna", "Robert", "Wilhelm", "Katarzyna", "Joanna"]
    records = [
        (f"{name}{n}", named(given=name, birth=f"198{i}-0{n + 1}-11")) for i, name in enumerate(names) for n in (0, 0)
    ]
    records = [(f"{record}-{n}", normal) for n, (record, normal) in enumerate(records)]
    back = records[::-1]

    found = resolve(records, MODEL)

    assert len(found.clusters) == len(names)
    assert resolve(Packed([record for record, _ in back], [packed(normal) for _, normal in back]), MODEL) == found


def test_a_file_without_a_pair_has_no_cluster() -> None:
    assert resolve([], MODEL).clusters == ()
    assert resolve([("a", named())], MODEL).clusters == ()
    assert resolve([("a", Normal()), ("b", Normal())], MODEL).clusters == ()


def test_keys_survive_a_slip_a_swap_and_another_order_of_names() -> None:
    one = set(keys(named(given="Katarzyna", family="Nowak", birth="1980-02-03")))

    for other in (
        named(given="Katarzina", family="Nowak", birth="1980-02-03"),
        named(given="Nowak", family="Katarzyna", birth="1980-02-03"),
        named(given="Katarzyna", family="Nowak", birth="1980-03-02"),
        named(given="Katarzyna", family="Mazur", birth="1980-02-03"),
    ):
        assert one & set(keys(other))
