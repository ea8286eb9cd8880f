"""From a header and its rows to raw records."""

from __future__ import annotations

import pytest

from services.identity.matching.columns import COLUMNS, Reading, columns, mapping
from services.identity.matching.record import Address, Raw
from shared.errors import Invalid


def test_every_column_goes_where_it_belongs() -> None:
    header = list(COLUMNS)
    cells = dict.fromkeys(header, "") | {
        "id": "7",
        "kind": "person",
        "full_name": " Ann Example ",
        "other_name": "Ann Before; Ann Between",
        "phone": "1;2;1",
        "street": "Main Street",
        "street_number": "5",
        "national_id": "X1",
        "credit_code": "C1",
        "identifier": "tax: 12 ;passport:P:1; untyped",
    }
    read = columns(header)

    assert read.ignored == []
    assert read.raw(list(cells.values())) == Raw(
        kind="person",
        full="Ann Example",
        others=("Ann Before", "Ann Between"),
        phones=("1", "2"),
        addresses=(Address(street="Main Street", number="5"),),
        identifiers=(("credit_code", "C1"), ("national_id", "X1"), ("tax", "12"), ("passport", "P:1")),
    )
    assert read.cell("id", list(cells.values())) == "7"


def test_names_of_columns_may_differ_in_case_spaces_and_hyphens() -> None:
    assert columns(["\ufeffID", "Full Name", "BIRTH-DATE"]).raw(["1", "Ann", "2000"]) == Raw(
        full="Ann", birth_date="2000"
    )


def test_unknown_columns_are_listed_and_ignored() -> None:
    read = columns(["id", "Shoe Size", "surname"])

    assert read.ignored == ["Shoe Size"]
    assert read.raw(["1", "44", "Ann"]) == Raw(family="Ann")


def test_a_mapping_names_columns_and_comparisons() -> None:
    said = mapping({"columns": {"Kunde": "surname", "Tel 2": "phone"}, "extra": {"Job": "category"}}, ["category"])
    read = columns(["Kunde", "phone", "Tel 2", "Job"], said)

    assert read.raw(["Ann", "1", "2", "tailor"]) == Raw(family="Ann", phones=("1", "2"), extra=(("job", "tailor"),))


def test_a_mapping_can_leave_a_column_out() -> None:
    read = columns(["surname", "phone"], Reading({"phone": ""}))

    assert read.raw(["Ann", "1"]) == Raw(family="Ann")
    assert read.ignored == []


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"colums": {}}, "colums"),
        ({"columns": 3}, "columns"),
        ({"columns": {"a": "nothing"}}, "columns.a"),
        ({"columns": {"a": 3}}, "columns.a"),
        ({"extra": {"a": "magic"}}, "extra.a"),
        ({"country": "China"}, "country"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(content: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        mapping(content, ["category"])

    assert [error["field"] for error in refused.value.errors] == [field]


def test_a_file_without_a_header_is_refused_and_not_repeated() -> None:
    with pytest.raises(Invalid) as refused:
        columns(["17", "Ann Example", "1980-01-01"])

    assert "3 columns" in str(refused.value)
    assert "Ann" not in str(refused.value)


def test_a_column_twice_and_a_mapped_column_that_is_absent_are_refused() -> None:
    with pytest.raises(Invalid) as refused:
        columns(["city", "City"], Reading({"town": "city"}))

    assert [error["field"] for error in refused.value.errors] == ["column 2", "mapping"]
