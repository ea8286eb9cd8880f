"""The customer service: everything is made here, and passed on as arguments."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from services.customer import api, store
from services.customer.application import Application
from services.customer.erasing import Eraser
from shared.access.recording import Recording
from shared.access.tokens import Verifier
from shared.audit.sequencer import Sequencer
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.http import Tasks, create_app
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.privacy.ledger import Ledger
from shared.process import count_commits, given, indexing, keep_erased, relay_of, run, sequencer_of, signing, stream
from shared.readiness import Auditing, Health, Publishing, answering, keyring
from shared.relay import Relay
from shared.settings import Settings

NAME = "customer"
TOPIC = "customer.events"


class Service:
    """One process of this service, wired but not running."""

    def __init__(self, settings: Settings, *, topic: str = TOPIC) -> None:
        self.settings = settings
        self.topic = topic
        # Customers are registered and changed now, whatever the time of a test's reminders is.
        clock = SystemClock()
        self.keyring = Keyring(settings.keyring_url, KeyEncryptionKeys.read(given(settings.kek_file)))
        self.log = Log(NAME, settings.postgres_url, self.keyring, clock, on_commit=count_commits(NAME))
        self.access = Recording(settings, self.keyring)
        self.relay: Relay | None = None
        self.sequencer: Sequencer | None = None
        application = Application(self.log, clock, region=settings.phone_region)
        ledger = None if settings.erasures is None else Ledger(settings.erasures)
        self.eraser = ledger and Eraser(
            application, ledger, partial(store.approved, self.log), partial(store.unsaid, self.log)
        )
        self.readiness = Health(
            {
                "postgres": answering(self.log.newest),
                "keyring": keyring(self.keyring),
                **({"eraser": self.eraser.state} if self.eraser else {}),
            },
            publishing=Publishing(NAME, topic, self.log.newest, lambda: self.relay),
            auditing=Auditing(self.log.newest, lambda: self.sequencer) if settings.audit_keys else None,
        )
        self.app: FastAPI = create_app(
            settings,
            Verifier.from_file(given(settings.jwks_file), settings.token_issuer, settings.token_audience),
            [api.routes(application), api.intake_routes(application)],
            self.readiness,
            self.running,
            journal=self.access.journal,
            larger_bodies={api.INTAKE_PATH: settings.max_intake_bytes},
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tasks]:
        """Connects to PostgreSQL and the keyring; Kafka may come later, commands are taken without it."""
        await asyncio.to_thread(self._open)
        self.relay = relay_of(self.log, self.settings, self.topic)
        self.sequencer = sequencer_of(self.log, self.settings, self.access.alarm(NAME))
        try:
            yield {
                "kafka": partial(stream, self.settings, [self.topic], relay=self.relay),
                **({"eraser": self.eraser.run} if self.eraser else {}),
                **signing(self.sequencer),
                **indexing(NAME, self.settings.postgres_url),
                **self.access.tasks(),
            }
        finally:
            await self.access.close()
            await asyncio.to_thread(self._close)

    def _open(self) -> None:
        self.keyring.open()
        keep_erased(self.keyring, self.settings)
        self.log.open()
        store.create(self.log)
        self.access.open()

    def _close(self) -> None:
        self.log.close()
        self.keyring.close()


def main() -> None:
    """Runs the service until it is told to stop."""
    run(NAME, lambda settings: Service(settings).app)


if __name__ == "__main__":
    main()
