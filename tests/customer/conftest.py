"""One customer service for all tests of this folder; every test makes its own customers."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.customer.desk import Desk, running_desk


@pytest.fixture(scope="package")
async def desk(postgres_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("desk")
    async with running_desk(postgres_url("customer"), postgres_url("keyring"), folder) as running:
        yield running
