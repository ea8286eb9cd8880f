"""The customer service: everything is made here, and passed on as arguments."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from services.customer import api
from services.customer.application import Application
from shared import log, metrics
from shared.access.tokens import Verifier
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.eventlog.log import Log
from shared.http import Readiness, Tasks, create_app, serve
from shared.ids import uuid7
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.relay import Relay, RelayStatus
from shared.settings import Settings, SettingsError, load
from shared.topics import ensure_topics

NAME = "customer"
TOPIC = "customer.events"
CHECK_SECONDS = 3.0


class Service:
    """One process of this service, wired but not running."""

    def __init__(self, settings: Settings, *, topic: str = TOPIC) -> None:
        self.settings = settings
        self.topic = topic
        # Customers are registered and changed now, whatever the time of a test's reminders is.
        clock = SystemClock()
        self.keyring = Keyring(settings.keyring_url, KeyEncryptionKeys.read(_given(settings.kek_file)))
        self.log = Log(NAME, settings.postgres_url, self.keyring, clock, on_commit=_count)
        self.relay: Relay | None = None
        application = Application(self.log, clock, region=settings.phone_region)
        self.app: FastAPI = create_app(
            settings,
            Verifier.from_file(_given(settings.jwks_file), settings.token_issuer, settings.token_audience),
            [api.routes(application), api.intake_routes(application)],
            self.readiness,
            self.running,
            larger_bodies={api.INTAKE_PATH: settings.max_intake_bytes},
        )

    async def readiness(self) -> Readiness:
        """What /health/ready tells: not ready while PostgreSQL, the keyring or the relay cannot work."""
        relay = RelayStatus() if self.relay is None else self.relay.status()
        checks = {"postgres": "does not answer", "keyring": "does not answer"}
        head = relay.head
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS):
                head = await self.log.in_thread(self.log.head)
            checks["postgres"] = "ok"
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS):
                await asyncio.to_thread(self.keyring.fetch, {uuid7()})
            checks["keyring"] = "ok"
        checks["relay"] = "ok" if relay.state in ("leading", "standby") else relay.reason or relay.state
        lag = max(0, head - relay.position)
        metrics.RELAY_LAG.labels(NAME).set(lag)
        metrics.RELAY_LEADER.labels(NAME).set(relay.leader)
        return Readiness(all(state == "ok" for state in checks.values()), checks, {f"relay {self.topic}": lag})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tasks]:
        """Connects to PostgreSQL and the keyring; Kafka may come later, commands are taken without it."""
        await asyncio.to_thread(self._open)
        self.relay = Relay(
            self.log,
            postgres_url=self.settings.postgres_url,
            bootstrap=self.settings.kafka,
            topic=self.topic,
            partitions=self.settings.partitions,
        )
        self.log.when_committed(self.relay.wake_threadsafe)
        try:
            yield {"relay": self._publish}
        finally:
            await self.relay.stop()
            await asyncio.to_thread(self._close)

    async def _publish(self) -> None:
        """Publishes the log once there is a broker; stays when a record cannot be published, which readiness tells."""
        await ensure_topics(
            self.settings.kafka,
            (self.topic,),
            partitions=self.settings.partitions,
            replication=self.settings.replication,
        )
        if self.relay is not None:
            await self.relay.run()
        await asyncio.Event().wait()

    def _open(self) -> None:
        self.keyring.open()
        self.log.open()

    def _close(self) -> None:
        self.log.close()
        self.keyring.close()


def _count(_: int, events: int) -> None:
    metrics.COMMITS.labels(NAME).inc()
    metrics.BATCH_EVENTS.labels(NAME).observe(events)
    metrics.EVENTS_APPENDED.labels(NAME).inc(events)


def _tune_collector() -> None:
    # A group of rows makes many objects that all live until it is written: frequent collections cost a good part of
    # the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)


def _given(path: Path | None) -> Path:
    if path is None:
        raise SettingsError("a file of the settings is missing; load() names it")
    return path


def main() -> None:
    """Runs the service until it is told to stop. Exits with 2 and a sentence if its settings are wrong."""
    try:
        settings = load(NAME)
        log.configure(NAME, settings.log_level)
        service = Service(settings)
        _tune_collector()
    except (SettingsError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    serve(service.app, settings)


if __name__ == "__main__":
    main()
