"""A fresh service per test. The databases are made once and emptied: making one costs the server hundreds of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.notifications.bench import Bench
from tests.notifications.bench import bench as running_bench


@pytest.fixture(scope="package")
def databases(postgres_url: Callable[[str], str]) -> dict[str, str]:
    return {name: postgres_url(name) for name in ("keyring", "customer", "identity", "notifications")}


@pytest.fixture
def empty(databases: dict[str, str]) -> Callable[[str], str]:
    """`empty("customer")` is the URL of an empty database."""
    for url in databases.values():
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
    return databases.__getitem__


@pytest.fixture
def bench(empty: Callable[[str], str], tmp_path: Path) -> Iterator[Bench]:
    with running_bench(empty, tmp_path) as running:
        yield running
