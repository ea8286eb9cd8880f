"""The projections process: folds the three topics into the views, answers queries, rebuilds views."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError
from fastapi import FastAPI

from services.projections import api
from services.projections.application import NAME, Application
from services.projections.consumer import TOPICS, Consumer
from services.projections.rebuild import Rebuild
from services.projections.store import Store
from services.projections.streams import Topics
from services.projections.views import VIEWS
from shared import log
from shared.access.tokens import Verifier
from shared.clock import SystemClock
from shared.http import Readiness, Tasks, create_app, serve
from shared.mongo import Driver, connect
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.settings import Settings, SettingsError, load
from shared.subscription import kafka_broker, subscribe
from shared.topics import ensure_topics

NOBODY = "00000000-0000-7000-8000-000000000000"
_ANSWER_SECONDS = 5
BATCH_RECORDS = 8000
"""A customer's events of all topics that fall into one batch cost one write of each view: large batches halve the
work per record when there is a backlog, and make no difference when there is none."""

_log = log.get_logger(__name__)


class Service:
    """What runs in this process, wired from its settings."""

    def __init__(self, settings: Settings, *, topics: Mapping[str, str] = TOPICS, driver: Driver = "motor") -> None:
        self._settings = settings
        self._topics = topics
        self.keyring = Keyring(settings.keyring_url, KeyEncryptionKeys.read(_given(settings.kek_file)))
        self.mongo = connect(settings.mongo_url, driver)
        self.store = Store(self.mongo, settings.mongo_database, VIEWS, topics, settings.partitions)
        self.application = Application(self.store, self.keyring, topics)
        self.consumer = Consumer(self.application)
        self.subscription = self.consumer.subscription = subscribe(
            kafka_broker(settings.kafka, NAME),
            list(topics),
            group=f"custlog-{NAME}",
            handle=self.consumer.handle,
            resume=self.consumer.resume,
            max_records=BATCH_RECORDS,
            instance=settings.instance,
        )
        everything = Topics(settings.kafka, list(topics), settings.partitions)
        self.rebuild = Rebuild(self.application, everything, SystemClock())
        self.app: FastAPI = create_app(
            settings,
            Verifier.from_file(_given(settings.jwks_file), settings.token_issuer, settings.token_audience),
            [
                api.customers(self.store, self.keyring),
                api.directory(self.store),
                api.agenda(self.store, self.keyring),
                api.operations(self.application, self.rebuild),
            ],
            self.readiness,
            self.running,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tasks]:
        """Connects to the keyring; MongoDB and Kafka may come later, readiness tells."""
        await asyncio.to_thread(self.keyring.open)
        try:
            yield {"consumer": self._follow, "watch": self.consumer.watch}
        finally:
            await self.mongo.close()
            await asyncio.to_thread(self.keyring.close)

    async def readiness(self) -> Readiness:
        """Whether the servers answer and records are taken; lag and parked records for people to judge."""
        state = self.subscription.state
        checks = {
            "mongo": await _answer(self.mongo.ping),
            "keyring": await _answer(lambda: asyncio.to_thread(self.keyring.fetch, [NOBODY])),
            "consumer": f"{state}: {self.subscription.reason}" if self.subscription.reason else state,
        }
        ok = checks == {"mongo": "ok", "keyring": "ok", "consumer": "running"}
        parked = await self.store.inbox.parked_count() if checks["mongo"] == "ok" else 0
        return Readiness(ok=ok, checks=checks, lag=self.consumer.lag(), parked=parked)

    async def _follow(self) -> None:
        settings = self._settings
        await ensure_topics(
            settings.kafka, list(self._topics), partitions=settings.partitions, replication=settings.replication
        )
        try:
            await self._subscribe()
            await self.rebuild.keep_current()
        finally:
            await self.subscription.stop()
            await self.rebuild.stop()

    async def _subscribe(self) -> None:
        delay = 0.2
        while True:
            try:
                return await self.subscription.start()
            except (KafkaError, OSError) as error:
                _log.warning("waiting for kafka", error=type(error).__name__, retry_in=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)


async def _answer(ask: Callable[[], Awaitable[Any]]) -> str:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await ask()
    except Exception as error:  # noqa: BLE001 - whatever it is, the service is not ready
        return type(error).__name__
    return "ok"


def _given(path: Path | None) -> Path:
    if path is None:
        raise SettingsError("The projections service needs CUSTLOG_KEK_FILE and CUSTLOG_JWKS_FILE.")
    return path


def tune_collector() -> None:
    """A batch makes a few hundred thousand objects, hardly a cycle among them: with Python's default thresholds the
    search for cycles took more than half of the time of decoding and folding (measured).
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def main() -> None:
    """Runs until SIGTERM or SIGINT. Exits with 2 and one sentence per wrong setting."""
    try:
        settings = load(NAME)
        log.configure(NAME, settings.log_level)
        service = Service(settings)
    except (SettingsError, OSError, ValueError) as wrong:
        sys.stderr.write(f"{wrong}\n")
        sys.exit(2)
    tune_collector()
    serve(service.app, settings)


if __name__ == "__main__":
    main()
