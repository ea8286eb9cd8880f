"""Every service that keeps a log signs it, once it is given audit keys, and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.customer.main import Service as CustomerService
from services.identity.main import Service as IdentityService
from services.notifications.main import Service as NotificationsService
from shared.access.tokens import make_issuer
from shared.audit import keys
from shared.audit.checkpoint import Checkpoint
from shared.audit.keys import AuditKeys
from shared.audit.note import Note
from shared.audit.snapshot import snapshot
from shared.settings import Settings
from tests.shared.topic import until
from tests.support.audit_store import rows
from tests.support.logs import key_encryption_keys

pytestmark = pytest.mark.server

SERVICES = {"customer": CustomerService, "identity": IdentityService, "notifications": NotificationsService}


@pytest.fixture
def settings(postgres_url: Callable[[str], str], keyring_url: str, tmp_path: Path) -> Settings:
    key_encryption_keys(tmp_path)
    keys.make(tmp_path / "audit")
    return Settings(
        service="any",
        postgres_url=postgres_url("log"),
        keyring_url=keyring_url,
        kafka="127.0.0.1:1",
        kek_file=next(tmp_path.glob("kek-*.json")),
        jwks_file=make_issuer(tmp_path / "issuer"),
        spool=tmp_path / "spool",
        audit_keys=tmp_path / "audit",
    )


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_signs_its_log(name: str, settings: Settings, tmp_path: Path) -> None:
    service = SERVICES[name](settings)
    async with service.app.router.lifespan_context(service.app):

        async def fine() -> bool:
            return bool((await service.readiness()).checks["audit"] == "ok")

        await until(fine, "the audit trail is fine")

    with snapshot(settings.postgres_url, name) as seen:
        assert seen.checkpoint.origin == AuditKeys.read(tmp_path / "audit").origin(name)
        assert seen.checkpoint == Checkpoint.parse(Note.parse(seen.note).text)


async def test_without_audit_keys_nothing_is_signed(settings: Settings) -> None:
    service = CustomerService(settings.model_copy(update={"audit_keys": None}))
    async with service.app.router.lifespan_context(service.app):
        assert "audit" not in (await service.readiness()).checks

    made = rows(settings.postgres_url, "SELECT tablename FROM pg_tables WHERE starts_with(tablename, 'audit_')")
    unsigned = {"audit_trail", "audit_trail_moved"}
    assert {name for (name,) in made} <= unsigned, "the index of the trail is signed by nobody"
