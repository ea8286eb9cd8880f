"""The projections process: folds the three topics into the views, answers queries, rebuilds views."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from pymongo.errors import PyMongoError

from services.projections import api
from services.projections.application import NAME, Application
from services.projections.consumer import TOPICS, Consumer
from services.projections.rebuild import Rebuild
from services.projections.store import Store
from services.projections.streams import Topics
from services.projections.views import VIEWS
from shared.access.tokens import Verifier
from shared.http import Tasks, create_app
from shared.log import get_logger
from shared.mongo import Driver, connect
from shared.parking import parking
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.process import admission_of, authenticator_of, given, join, run
from shared.readiness import Consuming, Health, answering, keyring
from shared.settings import Settings
from shared.subscription import kafka_broker, subscribe
from shared.topics import ensure_topics

BATCH_RECORDS = 8000
"""A customer's events of all topics that fall into one batch cost one write of each view: large batches halve the
work per record when there is a backlog, and make no difference when there is none."""


class Service:
    """What runs in this process, wired from its settings."""

    def __init__(self, settings: Settings, *, topics: Mapping[str, str] = TOPICS, driver: Driver = "motor") -> None:
        self._settings = settings
        self._topics = topics
        self.keyring = Keyring(settings.keyring_url, KeyEncryptionKeys.read(given(settings.kek_file)))
        name = f"custlog-{NAME}-{settings.instance}" if settings.instance else ""
        self.mongo = connect(settings.mongo_url, driver, name=name)
        self.store = Store(self.mongo, settings.mongo_database, VIEWS, topics, settings.partitions)
        self.application = Application(self.store, self.keyring, topics)
        self.consumer = Consumer(self.application)
        self.subscription = self.consumer.subscription = subscribe(
            kafka_broker(settings.kafka, NAME),
            list(topics),
            group=f"custlog-{NAME}",
            handle=self.consumer.handle,
            resume=self.consumer.resume,
            admission=admission_of(settings),
            max_records=BATCH_RECORDS,
            instance=settings.instance,
        )
        everything = Topics(settings.kafka, list(topics), settings.partitions, authenticator_of(settings))
        self.rebuild = Rebuild(self.application, everything)
        self.readiness = Health(
            {"mongo": answering(self.mongo.ping), "keyring": keyring(self.keyring)},
            consuming=Consuming(NAME, self.subscription),
            parked=self.application.parked,
        )
        self.app: FastAPI = create_app(
            settings,
            Verifier.from_file(given(settings.jwks_file), settings.token_issuer, settings.token_audience),
            [
                api.customers(self.store, self.keyring),
                api.directory(self.store),
                api.agenda(self.store, self.keyring),
                parking(self.application.parked, self.application.redrive),
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

    async def _follow(self) -> None:
        settings = self._settings
        await ensure_topics(
            settings.kafka, list(self._topics), partitions=settings.partitions, replication=settings.replication
        )
        await self._end_predecessor()
        try:
            await join(self.subscription)
            await self.rebuild.keep_current()
        finally:
            await self.subscription.stop()
            await self.rebuild.stop()

    async def _end_predecessor(self) -> None:
        with suppress(PyMongoError):  # a MongoDB that is away keeps no transactions
            if ended := await self.mongo.end_predecessor():
                get_logger(__name__).warning("ended transactions of an earlier process", sessions=ended)


def main() -> None:
    """Runs the service until it is told to stop."""
    run(NAME, lambda settings: Service(settings).app)


if __name__ == "__main__":
    main()
