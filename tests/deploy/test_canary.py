"""What the scan for an erased customer's values looks for, and that it finds what was planted."""

from __future__ import annotations

import unicodedata
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.canary import needles, places
from deploy.canary.needles import Needles, forms_of
from deploy.canary.report import Place, Report
from deploy.canary.search import Search, Stream
from shared.events.customer import BirthDateSet, ContactPointAdded, ExtensionFieldSet, Name, NameCorrected
from shared.events.envelope import ERASED
from shared.ids import uuid7
from tests.support.events import History, customer_registered, erased

ANN, BEN = uuid7(), uuid7()
CONTROL = ANN.encode()


def sought(*names: str, customer: str = ANN) -> Needles:
    told = History()
    for name in names:
        told.tell(customer, customer_registered(name, "+49 30 7771-2345"))
    return needles.of_events(told.events, customer)


def search_for(found: Needles) -> Search:
    return Search(found.forms)


@pytest.mark.parametrize(
    "planted",
    [
        "Jörg Weißenfels-Köhler",
        "JÖRG WEISSENFELS-KÖHLER",
        "jörg weissenfels-köhler",
        "jorg weissenfels-kohler",
        "weissenfels",
        r"J\u00f6rg Wei\u00dfenfels-K\u00f6hler",
        "J%C3%B6rg%20Wei%C3%9Fenfels-K%C3%B6hler",
        "J%C3%B6rg+Wei%C3%9Fenfels-K%C3%B6hler",
        unicodedata.normalize("NFD", "Jörg Weißenfels-Köhler"),
        "+49 30 7771-2345",
        "+493077712345",
        "493077712345",
        "77712345",
        "54321777",
    ],
)
def test_a_value_is_found_in_every_form_in_which_a_place_may_hold_it(planted: str) -> None:
    search = search_for(sought("Jörg Weißenfels-Köhler"))

    assert search.fields_in(f"before {planted} behind".encode())
    assert not search.fields_in(b"before somebody else and +49 30 1234 behind")


def test_every_sealed_field_is_searched_for_but_for_what_many_people_have() -> None:
    told = History().tell(ANN, customer_registered("Ann Xylophone"))
    told.tell(ANN, NameCorrected(name=Name(full="Ann Zeppelin")))
    told.tell(
        ANN,
        ContactPointAdded(contact_id=uuid7(), kind="email", value="ann@zeppelin.example", raw="Ann@Zeppelin.example"),
    )
    told.tell(ANN, ExtensionFieldSet(field="note", value="likes marzipan only"))
    told.tell(ANN, BirthDateSet(birth_date=date(1980, 2, 29)))
    told.tell(ANN, ExtensionFieldSet(field="wedding", value="2019-06-01"))
    told.tell(ANN, ExtensionFieldSet(field="call", value="2019-06-01T09:00:00+02:00"))
    told.tell(BEN, customer_registered("Ben Quartermain"))
    search = search_for(found := needles.of_events(told.events, ANN))

    for text in ("Ann Xylophone", "Ann Zeppelin", "ANN@ZEPPELIN.EXAMPLE", "likes marzipan only"):
        assert search.fields_in(text.encode())
    for text in ("1980-02-29", "2019-06-01T09:00:00+02:00", "Ben Quartermain", "only"):
        assert not search.fields_in(text.encode())
    assert found.left_out


def test_match_keys_are_searched_for_too() -> None:
    assert "match key" in sought("Ann Xylophone").forms


def test_nothing_is_known_of_who_is_erased() -> None:
    told = History().tell(ANN, customer_registered("Ann Xylophone", "+4930777123"))
    assert not needles.of_events(erased(told.events, ANN), ANN).forms
    assert ERASED.erased


def test_a_form_that_others_have_too_is_not_searched_for() -> None:
    ann, ben = sought("Ann Xylophone"), sought("Ben Xylophone", customer=BEN)
    alone = ann.without(ann.also_of(ben))

    assert not search_for(alone).fields_in(b"ben xylophone")
    assert search_for(alone).fields_in(b"ann xylophone")
    assert alone.left_out["forms that others have too"] >= 1


@given(
    forms=st.sets(st.text("ab", min_size=1, max_size=5).map(str.encode), min_size=1, max_size=6),
    content=st.text("aAbBc", max_size=40).map(str.encode),
)
def test_one_pass_finds_the_forms_that_a_search_for_each_of_them_finds(forms: set[bytes], content: bytes) -> None:
    search = Search({"any": forms})

    shortest = {form for form in forms if not any(other != form and other in form for other in forms)}
    assert search.forms_in(content) == {form for form in shortest if form in content.lower()}


@given(
    before=st.binary(max_size=60),
    behind=st.binary(max_size=60),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    value=st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zs"]), min_size=6, max_size=30),
)
def test_a_stream_is_searched_across_its_parts(before: bytes, behind: bytes, cuts: list[int], value: str) -> None:
    content = before + value.encode() + behind
    places_of_cuts = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    stream = Stream(Search({"value": forms_of(value)}))

    for start, end in pairwise(places_of_cuts):
        stream.feed(content[start:end])

    assert stream.found == {"value"}
    assert stream.size == len(content)


def test_a_planted_value_is_found_in_files_whatever_the_folder(tmp_path: Path) -> None:
    search = search_for(sought("Ann Xylophone"))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "customer.log").write_text("nothing but ids\n" + ANN)
    (tmp_path / "state.json").write_text("{}")
    clean = list(places.files([tmp_path], search, CONTROL))
    assert not any(place.found for place in clean)
    assert [place.control for place in clean] == [False, True]

    (tmp_path / "logs" / "deep").mkdir()
    (tmp_path / "logs" / "deep" / "dump").write_bytes(b"\0" * 10_000_000 + b"ANN XYLOPHONE")
    (dirty,) = [place for place in places.files([tmp_path], search, CONTROL) if place.found]
    assert (dirty.name, dirty.where, dirty.found) == (f"{tmp_path.name}/logs", ("logs/deep/dump",), {"name": 1})


def test_holes_are_passed_over_and_what_stands_behind_them_is_found(tmp_path: Path) -> None:
    search = search_for(sought("Ann Xylophone"))
    with (tmp_path / "index").open("wb") as file:
        file.truncate(200_000_000)
        file.seek(150_000_000)
        file.write(b"Ann Xylophone")
    (tmp_path / "empty").touch()

    (found,) = places.files([tmp_path], search, CONTROL)

    assert found.found == {"name": 1}
    assert found.bytes < 200_000_000


def test_a_scan_that_saw_nothing_is_not_clean() -> None:
    seen = [Place(kind, kind, 1, control=True) for kind in ("postgres", "mongo", "kafka")]

    def report(*found: Place, values: int = 3) -> Report:
        return Report("now", 1.0, values, {}, found)

    assert report(*seen).clean
    assert not report(*seen, values=0).clean
    left_over = Place("files", "mongo", 1, {"name": 1}, residue=True)
    assert report(*seen, left_over).clean
    assert report(*seen, left_over).as_json()["residue"] == ["mongo"]
    assert not report(*seen, left_over, Place("mongo", "local.oplog.rs", 1, {"name": 1})).clean
    assert report(*seen[:2]).blind == ["kafka"]
    assert not report(*seen[:2]).clean
    assert not report(*seen, Place("files", "logs", 1, {"name": 1})).clean
    assert not report(*seen, Place("mongo", "local", 1, trouble="it was not read to its end")).clean
