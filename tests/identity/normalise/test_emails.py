"""E-mail addresses: one mailbox, one spelling; mailboxes of nobody and of a desk."""

# ruff: noqa: RUF001 - letters that look alike are what the test is about
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.matching.normalise.emails import email, parted
from services.identity.matching.record import Email


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ann.Lee@Example.ORG", "ann.lee@example.org"),
        (" ann@example.org ", "ann@example.org"),
        ("mailto:ann@example.org", "ann@example.org"),
        ("Ann Lee <ann@example.org>", "ann@example.org"),
        ("ann＠example.org", "ann@example.org"),
        ("ann @ example.org", "ann@example.org"),
        ("ann+shop@example.org", "ann@example.org"),
        ("a.n.n+x@gmail.com", "ann@gmail.com"),
        ("ann@googlemail.com", "ann@gmail.com"),
        ("ann@gmial.com", "ann@gmail.com"),
        ("ann-shop@yahoo.com", "ann@yahoo.com"),
        ("a.nn@outlook.com", "a.nn@outlook.com"),
        ("张伟@例子.中国", "张伟@例子.中国"),
    ],
)
def test_one_mailbox_has_one_spelling(text: str, address: str) -> None:
    found = email(text)

    assert found is not None
    assert found.address == address == f"{found.local}@{found.domain}"


@pytest.mark.parametrize(
    "text", ["none@none.com", "test@test.com", "noreply@example.org", "123@123.com", "a@localhost", "n/a@shop.org"]
)
def test_a_mailbox_of_nobody_is_marked(text: str) -> None:
    found = email(text)

    assert found is not None
    assert found.placeholder


def test_a_mailbox_of_a_desk_is_marked() -> None:
    assert email("info@example.org") == Email("info@example.org", "info", "example.org", role=True)


@pytest.mark.parametrize("text", ["", "n/a", "ann", "@example.org", "ann@", "@", "ann@@", "无", "\ud800@\ud800"])
def test_what_has_no_two_sides_is_no_address(text: str) -> None:
    assert email(text) is None


def test_two_addresses_in_one_text_are_parted() -> None:
    assert parted("ann@example.org; bob@example.org") == ["ann@example.org", "bob@example.org"]


@given(st.one_of(st.emails(), st.text(max_size=60).map(lambda text: f"{text}@gmail.com")))
def test_an_address_in_its_one_spelling_is_itself_in_any_case(text: str) -> None:
    found = email(text)
    if found is not None:
        assert email(found.address) == email(found.address.upper().lower()) == found
