"""The examples of docs/normalising.md are true."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from services.identity.matching.normalise.addresses import home
from services.identity.matching.normalise.companies import company
from services.identity.matching.normalise.dates import birth
from services.identity.matching.normalise.emails import email
from services.identity.matching.normalise.identifiers import identity
from services.identity.matching.normalise.names import persons
from services.identity.matching.normalise.phones import phone
from services.identity.matching.record import Address

PAGE = Path(__file__).parents[3] / "docs" / "normalising.md"
READ: dict[str, Callable[[str], object]] = {
    "name": lambda text: persons(text, "", "", ())[0],
    "company": company,
    "phone": phone,
    "email": email,
    "date": birth,
    "address": lambda text: home(Address(line=text)),
    "identifier": lambda text: identity("national_id", text),
}
ROWS = re.findall(r"^\| (\w+) \| `([^`]+)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_are_examples_of_every_kind() -> None:
    assert {kind for kind, _, _ in ROWS} == set(READ)


@pytest.mark.parametrize(("kind", "written", "becomes"), ROWS)
def test_an_example_is_true(kind: str, written: str, becomes: str) -> None:
    found = READ[kind](written)

    for part, value in re.findall(r"(\w+) `([^`]*)`", becomes):
        assert str(getattr(found, part)) == value, part
