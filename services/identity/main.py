"""The identity process: consumes customer.events, keeps the identity log, publishes identity.events, answers HTTP."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from services.identity import store
from services.identity.api import Operations, identities, operations
from services.identity.application import IdentityApplication
from services.identity.batch import Matching
from services.identity.consumer import CONSUMER, TOPIC, IdentityConsumer
from services.identity.matching.fingerprint import fingerprints
from shared import log, metrics
from shared.access.tokens import Verifier
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.http import Readiness, Tasks, create_app, serve
from shared.inbox import INBOX_DDL
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.relay import Relay
from shared.settings import Settings, SettingsError, load
from shared.subscription import Subscription, kafka_broker, subscribe
from shared.topics import ensure_topics

SERVICE = "identity"
OWN_TOPIC = "identity.events"
NOBODY = "00000000-0000-7000-8000-000000000000"


class Service:
    """What runs in this process, wired from its settings."""

    def __init__(self, settings: Settings, *, topic: str = TOPIC, own_topic: str = OWN_TOPIC) -> None:
        if settings.kek_file is None or settings.jwks_file is None:
            raise SettingsError("The identity service needs CUSTLOG_KEK_FILE and CUSTLOG_JWKS_FILE.")
        self._settings = settings
        self._topic = topic
        self._own_topic = own_topic
        keys = KeyEncryptionKeys.read(settings.kek_file)
        self._keyring = Keyring(settings.keyring_url, keys)
        self.log = Log(
            SERVICE, settings.postgres_url, self._keyring, SystemClock(), on_commit=_count_commit
        )
        self._consumer = IdentityConsumer(self.log, Matching(fingerprints(keys.blind_index_key)))
        self._subscription: Subscription | None = None
        self._relay: Relay | None = None
        verifier = Verifier.from_file(settings.jwks_file, settings.token_issuer, settings.token_audience)
        self.app: FastAPI = create_app(
            settings,
            verifier,
            [
                identities(IdentityApplication(self.log)),
                operations(Operations(redrive=self._consumer.redrive, parked=self._consumer.parked)),
            ],
            self.readiness,
            self.running,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tasks]:
        """Opens keyring, log and tables, joins the topics; closes them in reverse."""
        await asyncio.to_thread(self._open)
        settings = self._settings
        await ensure_topics(
            settings.kafka,
            (self._topic, self._own_topic),
            partitions=settings.partitions,
            replication=settings.replication,
        )
        relay = self._relay = Relay(
            self.log,
            postgres_url=settings.postgres_url,
            bootstrap=settings.kafka,
            topic=self._own_topic,
            partitions=settings.partitions,
        )
        self.log.when_committed(relay.wake_threadsafe)
        subscription = self._subscription = subscribe(
            kafka_broker(settings.kafka, SERVICE),
            [self._topic],
            group=f"custlog-{CONSUMER}",
            handle=self._consumer.handle,
            resume=self._consumer.resume,
        )
        await subscription.start()
        try:
            yield {"relay": relay.run}
        finally:
            await subscription.stop()
            await relay.stop()
            await asyncio.to_thread(self._close)

    def _open(self) -> None:
        self._keyring.open()
        self.log.open()
        with self.log.transaction() as tx:
            tx.lock()
            store.create_tables(tx.cursor)
            tx.cursor.execute(INBOX_DDL)

    def _close(self) -> None:
        self.log.close()
        self._keyring.close()

    async def readiness(self) -> Readiness:
        """Whether the servers answer and the consumer and relay run; lag and parked records for people to judge."""
        checks = {
            "postgres": await _answers(self._consumer.parked),
            "keyring": await _answers(lambda: asyncio.to_thread(self._keyring.fetch, [NOBODY])),
            "consumer": _state(self._subscription),
            "relay": self._relay.status().state if self._relay else "starting",
        }
        good = {"postgres": "ok", "keyring": "ok", "consumer": "running"}
        ok = all(checks[name] == state for name, state in good.items()) and checks["relay"] in ("leading", "standby")
        parked = (await self._consumer.parked())[0] if checks["postgres"] == "ok" else 0
        return Readiness(ok=ok, checks=checks, lag=self._lag(), parked=parked)

    def _lag(self) -> dict[str, int]:
        behind = self._subscription.lag() if self._subscription else {}
        lag = {f"consumer {self._topic}": sum(records or 0 for records in behind.values())}
        metrics.CONSUMER_LAG.labels(CONSUMER, self._topic).set(lag[f"consumer {self._topic}"])
        if self._relay is not None:
            status = self._relay.status()
            lag[f"relay {self._own_topic}"] = status.lag
            metrics.RELAY_LAG.labels(SERVICE).set(status.lag)
            metrics.RELAY_LEADER.labels(SERVICE).set(status.leader)
        return lag


def _state(subscription: Subscription | None) -> str:
    if subscription is None:
        return "starting"
    return f"{subscription.state}: {subscription.reason}" if subscription.reason else subscription.state


async def _answers(ask: Callable[[], Awaitable[Any]]) -> str:
    try:
        async with asyncio.timeout(5):
            await ask()
    except Exception as error:  # noqa: BLE001 - whatever it is, the service is not ready
        return type(error).__name__
    return "ok"


def _count_commit(_: int, events: int) -> None:
    metrics.COMMITS.labels(SERVICE).inc()
    metrics.BATCH_EVENTS.labels(SERVICE).observe(events)
    metrics.EVENTS_APPENDED.labels(SERVICE).inc(events)


def _tune_collector() -> None:
    # A batch makes many objects that all live until it ends: frequent collections cost a third of its time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)


def main() -> None:
    """Runs until SIGTERM or SIGINT. Exits with 2 and one sentence per wrong setting."""
    try:
        settings = load(SERVICE)
        log.configure(SERVICE, settings.log_level)
        service = Service(settings)
        _tune_collector()
    except (SettingsError, OSError, ValueError) as wrong:
        sys.stderr.write(f"{wrong}\n")
        sys.exit(2)
    serve(service.app, settings)


if __name__ == "__main__":
    main()
