"""The access log in one process of a service: opened, written and closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from shared.access.journal import Access, Journal
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.events.access import AlarmRaised
from shared.events.envelope import Actor
from shared.http import Tasks
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from shared.process import count_commits
from shared.readiness import Question, answering
from shared.settings import Settings

NAME = "access"
TOPIC = "access.events"
_AUDIT = Actor(id="audit", kind="service")


class Recording:
    """Wired but not open. Without CUSTLOG_ACCESS_URL there is no log, and nothing is recorded."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        url = settings.access_url
        self.log = Log(NAME, url, keyring, SystemClock(), on_commit=count_commits(NAME)) if url else None
        self.journal = Journal(self.log)

    def open(self) -> None:
        """Connects. Raises the driver's error (retry or stop)."""
        if self.log is not None:
            self.log.open()

    async def close(self) -> None:
        """Writes what is waiting, if the log answers, and lets go of it."""
        if self.log is not None:
            await self.journal.flush()
            await asyncio.to_thread(self.log.close)

    def tasks(self) -> Tasks:
        """The background task that writes refusals."""
        return {} if self.log is None else {NAME: self.journal.run}

    def questions(self) -> Mapping[str, Question]:
        """What a service that shows personal data asks before it says that it is ready."""
        return {} if self.log is None else {NAME: answering(self.log.newest)}

    def alarm(self, log: str) -> Callable[[str, str], None]:
        """What the sequencer of a log calls with an alarm: it is recorded within a second."""

        def raised(kind: str, sentence: str) -> None:
            access = Access(_AUDIT, "service", "audit", uuid7(), f"AUDIT {log}")
            self.journal.refused(access, AlarmRaised(log=log, kind=kind, sentence=sentence))

        return raised
