"""A keyring on a real PostgreSQL."""

from collections.abc import Iterator

import pytest

from shared.privacy.keyring import Keyring
from tests.support.logs import running_keyring
from tests.support.servers import PostgresUrl


@pytest.fixture(scope="session")
def keyring(postgres_url: PostgresUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyring]:
    with running_keyring(postgres_url("keyring"), tmp_path_factory.mktemp("kek")) as opened:
        yield opened
