"""A fresh service per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.notifications.bench import Bench
from tests.notifications.bench import bench as running_bench


@pytest.fixture
def bench(postgres_url: Callable[[str], str], tmp_path: Path) -> Iterator[Bench]:
    with running_bench(postgres_url, tmp_path) as running:
        yield running
