"""A running identity service for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.identity.world import World, running_world


@pytest.fixture
def world(postgres_url: Callable[[str], str], keyring_url: str, tmp_path: Path) -> Iterator[World]:
    """An identity service on a fresh database, without Kafka."""
    with running_world(postgres_url("identity"), keyring_url, tmp_path, parked_cap=5) as running:
        yield running
