"""The tables of the documentation say what the code says."""

from __future__ import annotations

import pytest

from deploy.commands.retention import policies
from tests.docs import tables

PLACES = {
    "customer": "## The customer service: commands",
    "identity": "## The identity service",
    "notifications": "## The notifications service",
    "projections": "## The projections service: queries",
}


@pytest.mark.parametrize("service", tables.SERVICES)
def test_the_api_page_lists_every_address_of_a_service(service: str) -> None:
    assert tables.rows_under("api.md", PLACES[service]) == [tuple(row) for row in tables.addresses(service)]


def test_the_api_page_lists_every_error() -> None:
    assert tables.rows_under("api.md", "## Errors") == [tuple(row) for row in tables.errors()]


def test_the_api_page_lists_every_role_and_what_it_sees() -> None:
    assert tables.rows_under("api.md", "## Roles") == [tuple(row) for row in tables.roles()]


def test_the_api_page_lists_every_column_of_a_file() -> None:
    assert tables.rows_under("api.md", "### Columns") == [tuple(row) for row in tables.csv_columns()]


def test_the_operations_page_lists_every_setting_with_its_default() -> None:
    listed = [row[:3] for row in tables.rows_under("operations.md", "## Settings")]

    assert listed == [tuple(row) for row in tables.settings()]


def test_the_operations_page_shows_the_retention_table() -> None:
    assert tables.rows_under("operations.md", "### Retention") == policies()


def test_the_operations_page_lists_every_metric() -> None:
    assert tables.rows_under("operations.md", "## Metrics") == [tuple(row) for row in tables.measured()]
