"""Customer numbers: how they look, and what a typing error does to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.numbering.rule import PREFIX, WIDTH, canonical, read, render

serials = st.integers(min_value=1, max_value=10**12)


def test_the_first_number_has_seven_digits_and_a_check_digit() -> None:
    assert render(1).startswith(f"{PREFIX}0000001")
    assert len(render(1)) == 1 + WIDTH + 1


def test_a_serial_of_eight_digits_widens_the_number() -> None:
    number = render(10_000_000)

    assert number.startswith("C10000000")
    assert read(number).serial == 10_000_000


@pytest.mark.parametrize("serial", [0, -1])
def test_there_is_no_number_below_one(serial: int) -> None:
    with pytest.raises(ValueError, match="starts at 1"):
        render(serial)


@given(serials)
def test_every_number_reads_back_to_its_serial(serial: int) -> None:
    reading = read(render(serial))

    assert (reading.serial, reading.well_formed, reading.check_ok, reading.reason) == (serial, True, True, None)


@given(st.sets(serials, min_size=2, max_size=50))
def test_no_two_serials_share_a_number(found: set[int]) -> None:
    assert len({render(serial) for serial in found}) == len(found)


@given(serials, st.data())
def test_one_wrong_digit_never_passes(serial: int, data: st.DataObject) -> None:
    number = render(serial)
    place = data.draw(st.integers(1, len(number) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[place]]))

    reading = read(number[:place] + wrong + number[place + 1 :])

    assert not reading.check_ok
    assert reading.reason


@given(serials, st.data())
def test_two_swapped_neighbours_never_pass(serial: int, data: st.DataObject) -> None:
    number = render(serial)
    place = data.draw(st.integers(1, len(number) - 2))
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]

    assert swapped == number or not read(swapped).check_ok


@pytest.mark.parametrize("typed", ["c 0000-042{}", " C.0000042{} ", "c0000042{}"])
def test_case_and_separators_do_not_matter(typed: str) -> None:
    number = render(42)

    assert canonical(typed.format(number[-1].lower())) == number
    assert read(typed.format(number[-1].lower())).check_ok


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "starts with C"),
        ("K0000042X", "starts with C"),
        ("C42", "too short"),
        ("C00A0042X", "only be"),
        ("C" + "1" * 30, "only be"),
        ("C00000000", "no number has this serial"),
        ("C0000000420", "no number has this serial"),
        ("C\uff10\uff10\uff10\uff10\uff10\uff14\uff12X", "only be"),
    ],
)
def test_what_is_no_number_is_told_why(typed: str, reason: str) -> None:
    reading = read(typed)

    assert not reading.well_formed
    assert reason in (reading.reason or "")


@given(st.text(max_size=40))
def test_reading_never_fails(typed: str) -> None:
    assert read(typed).check_ok in (True, False)
