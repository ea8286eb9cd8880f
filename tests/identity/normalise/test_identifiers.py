"""Identifiers: one spelling, checked where there is a check, and stand-ins left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

from services.identity.matching.normalise.identifiers import MODULES, _checker, identity, told_by_ric
from services.identity.matching.record import Identity


def test_a_resident_identity_number_is_known_by_its_shape_and_checked() -> None:
    assert identity("national_id", "11010519491231002x") == Identity("ric", "11010519491231002X", True, True)
    assert identity("national_id", "110105194912310021") == Identity("ric", "110105194912310021", False, False)


def test_a_number_of_15_digits_is_the_one_of_18_that_replaced_it() -> None:
    old, new = identity("身份证", "110105491231002"), identity("ric", "11010519491231002X")

    assert old == new


def test_it_tells_birth_date_and_gender() -> None:
    found = identity("ric", "11010519491231002X")

    assert found is not None
    assert told_by_ric(found) == ("1949-12-31", "female")


@pytest.mark.parametrize(
    ("kind", "value", "valid"),
    [
        ("credit_code", "9111 0105-MA00 2L6X9C", None),
        ("iban", "GB82 WEST 1234 5698 7654 32", True),
        ("iban", "GB82 WEST 1234 5698 7654 33", False),
        ("lei", "213800KUD8LAJWSQ9D15", True),
        ("au_abn", "83 914 571 673", True),
        ("us_ssn", "536-90-4399", True),
        ("soc_sec_id", "1804974", None),
        ("passport", "AB 123 4567", None),
    ],
)
def test_a_type_with_a_check_is_checked_and_every_other_left_open(kind: str, value: str, valid: bool | None) -> None:
    found = identity(kind, value)

    assert found is not None
    assert found.valid is (uscc.is_valid(value.replace(" ", "").replace("-", "")) if kind == "credit_code" else valid)
    assert found.value.isalnum()


def test_every_type_of_the_table_has_a_check() -> None:
    assert all(callable(_checker(kind)) for kind, module in MODULES.items() if module)


@pytest.mark.parametrize("value", ["", "n/a", "000000000", "123456789", "111-11-1111", "unknown", "无", "--", "\ud800"])
def test_a_stand_in_is_no_identifier(value: str) -> None:
    assert identity("soc_sec_id", value) is None


def test_who_may_have_two_of_one_type_is_not_told_apart_by_it() -> None:
    exclusive = {
        kind: found.exclusive for kind in ("soc_sec_id", "tax", "us_ssn") if (found := identity(kind, "536904399"))
    }

    assert exclusive == {"soc_sec_id": True, "tax": False, "us_ssn": True}


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [("SSN", "us_ssn"), ("Credit-Code", "uscc"), ("统一社会信用代码", "uscc"), ("Loyalty Card", "loyalty_card")],
)
def test_a_type_has_one_name(spelling: str, kind: str) -> None:
    found = identity(spelling, "A1B2C3D4")

    assert found is not None
    assert found.type == kind


@given(st.from_regex(r"[1-9][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])[0-9]{3}", fullmatch=True))
def test_check_characters_of_resident_numbers_are_those_of_the_library(digits: str) -> None:
    right = digits + ric.calc_check_digit(digits + "0")
    found = identity("ric", right)

    assert found is not None
    assert found.valid


@given(st.from_regex(r"91[0-9]{6}[0-9A-HJ-NPQRTUWXY]{9}", fullmatch=True))
def test_check_characters_of_credit_codes_are_those_of_the_library(code: str) -> None:
    right = code + uscc.calc_check_digit(code + "0")
    found = identity("uscc", right)

    assert found is not None
    assert found.valid
    wrong = identity("uscc", code + ("0" if right[-1] != "0" else "1"))
    assert wrong is not None
    assert not wrong.valid


@given(st.sampled_from(["", "ric", "uscc", "passport", "iban"]), st.text(max_size=40))
def test_an_identifier_in_its_one_spelling_is_itself(kind: str, value: str) -> None:
    found = identity(kind, value)
    if found is not None:
        assert identity(found.type, found.value) == found
