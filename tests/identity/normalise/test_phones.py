"""Telephone numbers: one number from every way of writing it, and the answers of the library whose rules we use."""

# ruff: noqa: RUF001 - letters that look alike are what the test is about
from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.matching.normalise.phones import is_placeholder, parted, phone
from services.identity.matching.record import Phone

REGIONS = ("CN", "AU", "US", "GB", "DE", "FR", "IT", "JP", "HK", "RU")


def number(text: str, country: str = "") -> str:
    found = phone(text, country)
    return "" if found is None else found.number


@pytest.mark.parametrize(
    "text",
    [
        "13812345679",
        "138 1234 5679",
        "+86 138-1234-5679",
        "0086 13812345679",
        "8613812345679",
        "(+86)13812345679",
        "１３８１２３４５６７９",
        "tel: 138.1234.5679",
    ],
)
def test_a_chinese_mobile_is_one_number_in_every_spelling(text: str) -> None:
    assert number(text, "CN") == "8613812345679"


@pytest.mark.parametrize(
    "text", ["0412 987 654", "+61 412 987 654", "61412987654", "+61 (0)412 987 654", "0061 412 987 654"]
)
def test_the_trunk_prefix_is_no_part_of_a_number(text: str) -> None:
    assert number(text, "AU") == "61412987654"


@pytest.mark.parametrize(
    ("text", "extension"),
    [
        ("010-62345678 转 123", "123"),
        ("415-555-2671 x12", "12"),
        ("415 555 2671 ext. 12", "12"),
        ("4155552671#12", "12"),
        ("010-62345678-分机8", "8"),
        ("010-62345678", ""),
    ],
)
def test_an_extension_stands_beside_the_number(text: str, extension: str) -> None:
    found = phone(text, "CN" if "010" in text else "US")

    assert found is not None
    assert found.extension == extension
    assert found.number in {"861062345678", "14155552671"}


def test_without_a_country_the_bare_digits_stay_and_say_so() -> None:
    assert phone("(02) 9876 5431") == Phone("298765431", country_known=False)
    assert phone("98 7654 3211") == Phone("9876543211", country_known=False)


@pytest.mark.parametrize(
    ("bare", "whole"),
    [
        ("13912345679", "+86 139 1234 5679"),
        ("86 13912345679", "+86 139 1234 5679"),
        ("010-62345678", "+86 10 6234 5678"),
        ("0412 987 654", "+61 412 987 654"),
        ("07911 123456", "+44 7911 123456"),
        ("0151 23456789", "+49 151 23456789"),
        ("415-555-2671", "+1 415 555 2671"),
        ("1 415 555 2671", "+1 415 555 2671"),
    ],
)
def test_a_number_that_looks_like_those_of_one_country_meets_itself_with_its_calling_code(
    bare: str, whole: str
) -> None:
    assert phone(bare) == phone(whole)


@pytest.mark.parametrize(
    "text", ["00000000", "13800138000", "1234567", "12345678", "0123456789", "11111111", "12345", "110", "99999999999"]
)
def test_numbers_of_nobody_are_marked(text: str) -> None:
    found = phone(text, "CN")

    assert found is not None
    assert found.placeholder


@pytest.mark.parametrize("text", ["", "n/a", "none", "无", "call me", "---", "\ud800"])
def test_what_holds_no_digit_is_no_number(text: str) -> None:
    assert phone(text, "CN") is None


def test_an_ordinary_number_is_no_placeholder() -> None:
    assert not any(map(is_placeholder, ("412987654", "13812345679", "62345678", "2025550143")))


def test_two_numbers_in_one_text_are_parted() -> None:
    assert parted("010-62345678 / 13812345679") == ["010-62345678 ", " 13812345679"]
    assert parted("010-62345678 ext 12; ") == ["010-62345678 ext 12; "]


@pytest.mark.parametrize("region", REGIONS)
def test_numbers_of_a_country_come_out_as_the_library_says(region: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        example = phonenumbers.example_number_for_type(region, kind)
        assert example is not None
        e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for way in (phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL):
            assert number(phonenumbers.format_number(example, way), region) == e164[1:]
        assert number(e164) == e164[1:]


@settings(deadline=None, max_examples=60)  # the rules of a country are read when it is first met
@given(st.sampled_from(REGIONS), st.text("0123456789 -()", min_size=9, max_size=16))
def test_every_number_that_the_library_finds_valid_is_the_same_here(region: str, text: str) -> None:
    try:
        found = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return
    if phonenumbers.is_valid_number(found):
        assert number(text, region) == phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)[1:]


@settings(deadline=None)
@given(st.text(st.characters(), max_size=40), st.sampled_from(("", *REGIONS)))
def test_a_number_in_its_one_spelling_is_itself(text: str, country: str) -> None:
    found = phone(text, country)
    if found is not None and found.country_known and 8 <= len(found.number) <= 15:
        again = phone("+" + found.number)
        assert again is not None
        assert again.country_known
