"""Every personal field has a purpose, and the record of processing says what the contracts say."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import processing
from shared.events.catalogue import CATALOGUE
from shared.events.customer import NameCorrected, Tagged
from shared.events.processing import PROCESSED, PURPOSES, check

PAGE = Path(__file__).parents[2] / "docs" / "processing.md"


def test_a_personal_field_without_a_purpose_fails() -> None:
    without = {contract: purposes for contract, purposes in PROCESSED.items() if contract is not NameCorrected}

    with pytest.raises(TypeError, match=r"NameCorrected\.name is personal and has no purpose"):
        check(CATALOGUE.values(), without)


def test_a_purpose_that_nobody_described_fails() -> None:
    with pytest.raises(TypeError, match="NameCorrected names the purpose gossip"):
        check([NameCorrected], {NameCorrected: {"name": ("gossip",)}})


def test_a_field_that_is_not_personal_needs_no_purpose_and_gets_none() -> None:
    check([Tagged], {})
    with pytest.raises(TypeError, match=r"Tagged\.added has a purpose and is no personal field"):
        check([Tagged], {Tagged: {"added": ("service",)}})


def test_every_personal_field_of_every_contract_is_in_the_record() -> None:
    listed = {(row["event"], row["field"]) for row in processing.record()}

    assert listed == {(contract.stored_type(), name) for contract in CATALOGUE.values() for name in contract.SEALED}
    assert all(set(row["purposes"]) <= PURPOSES.keys() and row["seen_by"] for row in processing.record())


def test_the_page_is_what_the_command_prints() -> None:
    assert PAGE.read_text(encoding="utf-8") == processing.markdown(), "run `make contracts`"


def test_only_contracts_with_personal_fields_have_a_line() -> None:
    assert all(contract.SEALED for contract in PROCESSED)
