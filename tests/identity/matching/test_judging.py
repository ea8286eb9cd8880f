"""Pairs are weighed once, and again when a record has changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.matching import judging, pairing
from services.identity.matching.customer import NOTHING
from services.identity.matching.judging import Judge
from services.identity.matching.model import shipped
from services.identity.matching.pairing import guard_of
from services.identity.matching.record import Normal
from tests.identity.matching.people import named, normals

MODEL = shipped()
ANNA = named(birth="1980-02-03", phone="+49 30 5550101", email="anna@example.org", street="Long Lane")
OTHER = named(phone="+49 40 7771234", email="miller@example.net", street="Short Street")
"""Of the same common name, and nothing else that agrees."""


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), normals | st.just(NOTHING)), min_size=1, max_size=12))
def test_what_is_remembered_is_what_is_found_anew(changes: list[tuple[str, Normal]]) -> None:
    remembering, records = Judge(MODEL), dict[str, Normal]()

    for customer, normal in changes:
        records[customer] = normal
        assert remembering.pairs(records, records) == Judge(MODEL).pairs(records, records)


def test_a_pair_is_weighed_once_until_one_of_its_records_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    weighed: list[tuple[str, str]] = []

    def counting(a: str, left: Normal, b: str, right: Normal, model: object) -> object:
        weighed.append((a, b))
        return pairing.found(a, left, b, right, MODEL)

    monkeypatch.setattr(judging, "found", counting)
    judge, records = Judge(MODEL), {"a": ANNA, "b": ANNA, "c": ANNA}

    for _ in range(3):
        judge.pairs(records, records)
    assert weighed == [("a", "b"), ("a", "c"), ("b", "c")]

    judge.pairs(records, records | {"c": OTHER})
    assert weighed[3:] == [("a", "c"), ("b", "c")]


def test_memory_begins_anew_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "REMEMBERED", 2)
    judge, records = Judge(MODEL), {"a": ANNA, "b": ANNA, "c": ANNA}

    assert [judge.pairs(records, records) for _ in range(3)] == [Judge(MODEL).pairs(records, records)] * 3


def test_a_guard_goes_by_the_records_as_they_are_now() -> None:
    records = {"a": ANNA, "b": ANNA, "c": ANNA}
    guard = guard_of(records, MODEL)
    assert guard({"a", "b"}, {"c"}) is None

    records["c"] = OTHER

    assert guard({"a", "b"}, {"c"}) == guard_of(records, MODEL)({"a", "b"}, {"c"}) == "bridge"
