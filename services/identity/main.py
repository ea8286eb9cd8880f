"""The identity process: consumes customer.events, keeps the identity log, publishes identity.events, answers HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.identity import decision_store, store
from services.identity.api import identities, lookups
from services.identity.application import IdentityApplication
from services.identity.batch import Matching
from services.identity.comparing import Comparing
from services.identity.consumer import NAME, TOPIC, make_consumer
from services.identity.indexing import Indexing
from services.identity.issuing.leases import Leases
from services.identity.issuing.numbers import Numbers
from services.identity.issuing.questions import Questions
from services.identity.issuing.rules import Rules
from services.identity.lookups import Lookups
from services.identity.matching.fingerprint import fingerprints
from services.identity.matching.judging import Judge
from services.identity.matching.lookup import tokens
from services.identity.matching.model import Model, UnknownModel, from_json, shipped
from services.identity.numbers_api import numbers
from services.identity.records import weighed_again
from services.identity.steward_api import assertions, comparisons, reviews
from services.identity.stewardship import Stewardship
from shared.access.recording import Recording
from shared.access.tokens import Verifier
from shared.audit.sequencer import Sequencer
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.http import Tasks, create_app
from shared.inbox import INBOX_DDL
from shared.parking import parking
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.process import (
    admission_of,
    count_commits,
    given,
    indexing,
    keep_erased,
    relay_of,
    run,
    sequencer_of,
    signing,
    stream,
)
from shared.readiness import Auditing, Consuming, Health, Publishing, answering, keyring
from shared.relay import Relay
from shared.settings import Settings, SettingsError
from shared.subscription import kafka_broker, subscribe

OWN_TOPIC = "identity.events"


class Service:
    """What runs in this process, wired from its settings."""

    def __init__(self, settings: Settings, *, topic: str = TOPIC, own_topic: str = OWN_TOPIC) -> None:
        self._settings = settings
        self._topics = (topic, own_topic)
        keys = KeyEncryptionKeys.read(given(settings.kek_file))
        self._keyring = Keyring(settings.keyring_url, keys)
        clock = SystemClock()
        self.log = Log(NAME, settings.postgres_url, self._keyring, clock, on_commit=count_commits(NAME))
        self.access = Recording(settings, self._keyring)
        judge = Judge(model_of(settings.match_model))
        matching = Matching(fingerprints(keys.blind_index_key), judge, tokens(keys.blind_index_key))
        consumer = make_consumer(self.log, matching)
        self._subscription = subscribe(
            kafka_broker(settings.kafka, NAME),
            [topic],
            group=f"custlog-{NAME}",
            handle=consumer.handle,
            resume=consumer.resume,
            confirm=consumer.confirm,
            admission=admission_of(settings),
            instance=settings.instance,
        )
        self._relay: Relay | None = None
        self._sequencer: Sequencer | None = None
        self.readiness = Health(
            {"postgres": answering(self.log.newest), "keyring": keyring(self._keyring)},
            consuming=Consuming(NAME, self._subscription),
            publishing=Publishing(NAME, own_topic, self.log.newest, lambda: self._relay),
            auditing=Auditing(self.log.newest, lambda: self._sequencer) if settings.audit_keys else None,
            parked=consumer.parked,
        )
        stewardship = self._stewardship = Stewardship(self.log, rescore=weighed_again(judge))
        application = IdentityApplication(self.log, stewardship)
        index = keys.blind_index_key
        self._indexing = Indexing(self.log, fingerprints(index))
        comparing = Comparing(self.log, fingerprints(index), tokens(index), judge)
        self.app: FastAPI = create_app(
            settings,
            Verifier.from_file(given(settings.jwks_file), settings.token_issuer, settings.token_audience),
            [
                identities(application),
                numbers(
                    Numbers(self.log, clock),
                    Rules(self.log, clock),
                    Leases(self.log, clock),
                    Questions(self.log, clock),
                ),
                assertions(stewardship),
                reviews(stewardship),
                comparisons(comparing, application.number_of, self.access.journal),
                lookups(Lookups(self.log, keys.blind_index_key), self.access.journal),
                parking(consumer.parked, consumer.redrive),
            ],
            self.readiness,
            self.running,
            journal=self.access.journal,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tasks]:
        """Connects to PostgreSQL and the keyring; Kafka may come later, commands are taken without it."""
        await asyncio.to_thread(self._open)
        settings = self._settings
        relay = self._relay = relay_of(self.log, settings, self._topics[1])
        self._sequencer = sequencer_of(self.log, settings, self.access.alarm(NAME))
        try:
            yield {
                "kafka": partial(stream, settings, self._topics, relay=relay, subscription=self._subscription),
                "expiry": self._stewardship.run_expiry,
                **signing(self._sequencer),
                "keys": self._indexing.run,
                **indexing(NAME, settings.postgres_url),
                **self.access.tasks(),
            }
        finally:
            await self.access.close()
            await asyncio.to_thread(self._close)

    def _open(self) -> None:
        self._keyring.open()
        keep_erased(self._keyring, self._settings)
        self.log.open()
        self.access.open()
        with self.log.transaction() as tx:
            tx.lock()
            store.create_tables(tx.cursor)
            decision_store.create_tables(tx.cursor)
            tx.cursor.execute(INBOX_DDL)

    def _close(self) -> None:
        self.log.close()
        self._keyring.close()


def model_of(chosen: str) -> Model:
    """The model of this name, or in this file. Raises SettingsError (stop) with what to do about it."""
    try:
        return from_json(Path(chosen).read_bytes()) if chosen.endswith(".json") else shipped(chosen)
    except (OSError, UnknownModel) as error:
        raise SettingsError(
            f"CUSTLOG_MATCH_MODEL is {chosen}, which cannot be used: {error}. Name a shipped model, or a file that "
            "custlog match calibrate has written."
        ) from None


def main() -> None:
    """Runs the service until it is told to stop."""
    run(NAME, lambda settings: Service(settings).app)


if __name__ == "__main__":
    main()
