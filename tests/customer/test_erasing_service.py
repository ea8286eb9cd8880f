"""The service erases who is approved, on a real PostgreSQL, and a restored older keyring brings nobody back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from services.customer import store
from services.customer.application import Application, Context
from services.customer.domain.erasure_commands import ApproveErasure, RequestErasure
from services.customer.main import Service as CustomerService
from services.identity.main import Service as IdentityService
from services.notifications.main import Service as NotificationsService
from shared.access.tokens import make_issuer
from shared.clock import SystemClock
from shared.events.envelope import Actor
from shared.ids import uuid7
from shared.privacy.ledger import Ledger
from shared.settings import Settings
from tests.customer.examples import register
from tests.shared.topic import until
from tests.support.logs import key_encryption_keys

pytestmark = pytest.mark.server

KEYS = "SELECT subject::text, wrapped IS NOT NULL FROM data_keys ORDER BY subject"


@pytest.fixture
def settings(postgres_url: Callable[[str], str], keyring_url: str, tmp_path: Path) -> Settings:
    key_encryption_keys(tmp_path)
    return Settings(
        service="any",
        postgres_url=postgres_url("log"),
        keyring_url=keyring_url,
        kafka="127.0.0.1:1",
        kek_file=next(tmp_path.glob("kek-*.json")),
        jwks_file=make_issuer(tmp_path / "issuer"),
        spool=tmp_path / "spool",
        erasures=tmp_path / "erasures",
    )


def sent_by(actor: str) -> Context:
    command = uuid7()
    return Context(Actor(id=actor, kind="user"), "web", "service", uuid7(), command, command)


async def approved(service: CustomerService) -> str:
    """A new customer whose erasure is approved."""
    application = Application(service.log, SystemClock())
    customer = (await application.register(register(), sent_by("ann"))).id
    await application.execute("customer", customer, RequestErasure(reason="asked"), sent_by("ann"))
    await application.execute("customer", customer, ApproveErasure(), sent_by("ben"))
    return customer


def keys(settings: Settings) -> dict[str, bool]:
    """Subject -> whether it has a key."""
    with psycopg.connect(settings.keyring_url) as connection:
        return dict(connection.execute(KEYS).fetchall())


async def test_who_is_approved_is_erased_and_stays_so_after_a_restore(
    settings: Settings, postgres_url: Callable[[str], str]
) -> None:
    service = CustomerService(settings)
    async with service.app.router.lifespan_context(service.app):
        stays = (await Application(service.log, SystemClock()).register(register(), sent_by("ann"))).id
        customer = await approved(service)

        async def is_erased() -> bool:
            return (await service.log.load(f"customer-{customer}"))[-1].type == "customer.erased"

        await until(is_erased, "the customer is erased")
        assert (await service.readiness()).checks["eraser"] == "ok"
        assert await service.log.in_thread(lambda: store.approved(service.log, 0, 10)) == []
    assert keys(settings) == {stays: True, customer: False}
    assert list(Ledger(settings.erasures or Path()).subjects()) == [customer]

    for build in (CustomerService, IdentityService, NotificationsService):
        with psycopg.connect(settings.keyring_url) as older:
            older.execute(
                "UPDATE data_keys SET wrapped = 'from a backup', destroyed_at = NULL WHERE subject = %s", (customer,)
            )
        again = build(settings.model_copy(update={"postgres_url": postgres_url("again")}))
        async with again.app.router.lifespan_context(again.app):
            assert keys(settings) == {stays: True, customer: False}


async def test_a_log_from_before_the_approval_is_told_of_the_erasure_at_the_start(settings: Settings) -> None:
    service = CustomerService(settings)
    async with service.app.router.lifespan_context(service.app):
        application = Application(service.log, SystemClock())
        stays, customer = [(await application.register(register(), sent_by("ann"))).id for _ in range(2)]
    # As a restored backup leaves it: the log knows of no request, the keyring has the key.
    Ledger(settings.erasures or Path()).add(customer, SystemClock().now())

    again = CustomerService(settings)
    async with again.app.router.lifespan_context(again.app):

        async def is_said() -> bool:
            return (await again.log.load(f"customer-{customer}"))[-1].type == "customer.erased"

        await until(is_said, "the log says that the customer is erased")
        assert [event.type for event in await again.log.load(f"customer-{stays}")] == ["customer.registered"]
    assert keys(settings) == {stays: True, customer: False}


async def test_without_a_ledger_approved_erasures_wait_for_one(settings: Settings) -> None:
    service = CustomerService(settings.model_copy(update={"erasures": None}))
    async with service.app.router.lifespan_context(service.app):
        first, second = await approved(service), await approved(service)
        assert "eraser" not in (await service.readiness()).checks
        waiting = await service.log.in_thread(lambda: store.approved(service.log, 0, 10))
        assert [approval.customer for _, approval in waiting] == [first, second]
        (position, _), _ = waiting
        behind = await service.log.in_thread(lambda: store.approved(service.log, position, 10))
        assert [approval.customer for _, approval in behind] == [second]
    assert keys(settings) == {first: True, second: True}
