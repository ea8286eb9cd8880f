"""Dates of birth: every way of writing one, parts of one, and what is no date."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.matching.normalise.dates import birth
from services.identity.matching.record import Birth

DATES = st.dates(date(1850, 1, 1), date(2026, 12, 31))


def parts(text: str, country: str = "") -> tuple[int, int, int] | None:
    found = birth(text, country)
    return None if found is None else (found.year, found.month, found.day)


@pytest.mark.parametrize(
    "text",
    [
        "1980-02-13",
        "19800213",
        "1980/2/13",
        "13/02/1980",
        "13.2.80",
        "02/13/1980",
        "13 Feb 1980",
        "February 13, 1980",
        "1980年2月13日",
        "一九八〇年二月十三日",
        "1980-02-13T00:00:00Z",
        "13021980",
        "1980.02.13",
        "13-FEB-80",
        " 1980-02-13 ",
    ],
)
def test_one_date_is_read_from_every_way_of_writing_it(text: str) -> None:
    assert parts(text) == (1980, 2, 13)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1980", (1980, 0, 0)),
        ("1980-02", (1980, 2, 0)),
        ("02/1980", (1980, 2, 0)),
        ("198002", (1980, 2, 0)),
        ("Feb 1980", (1980, 2, 0)),
        ("1980年", (1980, 0, 0)),
        ("1980年12月", (1980, 12, 0)),
        ("1980-02-31", (1980, 2, 0)),
        ("1980-13-13", (1980, 0, 13)),
    ],
)
def test_a_part_that_is_not_given_or_that_no_calendar_has_is_not_known(
    text: str, expected: tuple[int, int, int]
) -> None:
    assert parts(text) == expected


def test_day_and_month_in_doubt_follow_the_custom_of_the_country() -> None:
    assert parts("03/02/1980", "AU") == parts("03/02/1980") == (1980, 2, 3)
    assert parts("03/02/1980", "US") == (1980, 3, 2)


def test_day_and_month_that_could_be_taken_for_each_other_are_marked() -> None:
    assert birth("1980-02-03") == Birth(1980, 2, 3, swappable=True)
    assert birth("1980-02-02") == Birth(1980, 2, 2)
    assert birth("1980-02-13") == Birth(1980, 2, 13)


@pytest.mark.parametrize("text", ["1900-01-01", "01/01/1970", "1899-12-30", "11111111"])
def test_what_software_enters_for_an_unknown_date_is_marked(text: str) -> None:
    found = birth(text)

    assert found is not None
    assert found.placeholder


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n/a",
        "unknown",
        "不详",
        "0000-00-00",
        "9999-12-31",
        "123",
        "99",
        "tomorrow",
        "1-2-3-4-5",
        "年月日",
        "1980" * 500,
    ],
)
def test_what_is_no_date_is_not_known(text: str) -> None:
    assert birth(text) is None


@given(DATES, st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d %b %Y", "%Y年%m月%d日", "%Y.%m.%d"]))
def test_a_date_written_year_first_or_with_its_month_by_name_is_itself(day: date, way: str) -> None:
    assert parts(day.strftime(way)) == (day.year, day.month, day.day)


@given(DATES)
def test_day_and_month_swapped_differ_in_nothing_else(day: date) -> None:
    found, swapped = parts(day.strftime("%d/%m/%Y")), parts(day.strftime("%d/%m/%Y"), "US")

    assert found is not None
    assert swapped in {found, (found[0], found[2], found[1])}
