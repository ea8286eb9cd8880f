"""What every service process does alike: begin with its settings, join the topics, end with a sentence."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from shared import log, metrics
from shared.audit.keys import AuditKeys
from shared.audit.sequencer import Alarm, Sequencer
from shared.audit.store import Store
from shared.audit.trail import TrailIndex
from shared.audit.witness_client import Witnesses
from shared.authenticity import Admission, Authenticator
from shared.eventlog.log import Log
from shared.following import follow
from shared.http import Tasks, serve
from shared.privacy.keyring import Keyring
from shared.privacy.ledger import Ledger
from shared.relay import Relay
from shared.settings import Settings, SettingsError, load
from shared.subscription import Subscription
from shared.tails import first_epochs
from shared.topics import ensure_topics


def run(service: str, build: Callable[[Settings], FastAPI]) -> None:
    """Runs a service until SIGTERM or SIGINT. Exits with 2 and one sentence per wrong setting."""
    try:
        settings = load(service)
        log.configure(service, settings.log_level)
        app = build(settings)
    except (SettingsError, OSError, ValueError) as wrong:
        sys.stderr.write(f"{wrong}\n")
        sys.exit(2)
    _tune_collector()
    serve(app, settings)


def given(path: Path | None) -> Path:
    """A file or folder that load() has checked for this service. Raises SettingsError (stop)."""
    if path is None:
        raise SettingsError("a file or folder of the settings is missing; load() names it")
    return path


def count_commits(service: str) -> Callable[[int, int], None]:
    """What a Log calls after each transaction of commits: it becomes metrics."""

    def count(_: int, events: int) -> None:
        metrics.COMMITS.labels(service).inc()
        metrics.BATCH_EVENTS.labels(service).observe(events)
        metrics.EVENTS_APPENDED.labels(service).inc(events)

    return count


def relay_of(log_of_service: Log, settings: Settings, topic: str) -> Relay:
    """The relay that publishes a service's log to its topic, woken by every commit. Call it inside the running loop."""
    relay = Relay(
        log_of_service,
        postgres_url=settings.postgres_url,
        bootstrap=settings.kafka,
        topic=topic,
        partitions=settings.partitions,
        replication=settings.replication,
        authenticator=authenticator_of(settings),
    )
    log_of_service.when_committed(relay.wake_threadsafe)
    return relay


def keep_erased(keyring: Keyring, settings: Settings) -> None:
    """Destroys the keys of all who are in the ledger of erasures, before anything is served. Blocks.

    So a restored older backup of the keyring brings nobody back. Raises Unavailable, OSError or LedgerDamaged (stop).
    """
    if settings.erasures is not None and (found := Ledger(settings.erasures).apply(keyring)):
        log.get_logger(__name__).warning("keys of erased customers were there again; they are destroyed", count=found)


def authenticator_of(settings: Settings) -> Authenticator | None:
    """What signs and checks records; None without audit keys. Raises BadKey or OSError (stop)."""
    keys = None if settings.audit_keys is None else AuditKeys.read(settings.audit_keys).relay
    return None if keys is None else Authenticator(keys)


def admission_of(settings: Settings) -> Admission | None:
    """What tells a consumer of the topics which records relays published; None without audit keys, see above."""
    authenticator = authenticator_of(settings)
    if authenticator is None:
        return None
    return Admission(authenticator, partial(first_epochs, settings.kafka, authenticator))


def sequencer_of(log_of_service: Log, settings: Settings, alarm: Alarm = lambda *_: None) -> Sequencer | None:
    """What grows and signs the audit tree of a service's log, woken by every commit; None without audit keys.

    Call it inside the running loop. Raises BadKey or OSError (stop).
    """
    if settings.audit_keys is None:
        return None
    name, keys = log_of_service.name, AuditKeys.read(settings.audit_keys)
    store = Store(
        settings.postgres_url,
        name,
        origin=keys.origin(name),
        signers=keys.signers(name),
        verifiers=keys.verifiers(name),
    )
    witnesses = Witnesses(settings.witnesses, keys.witnesses) if settings.witnesses else None
    sequencer = Sequencer(store, witnesses=witnesses, alarm=alarm)
    log_of_service.when_committed(sequencer.wake_threadsafe)
    return sequencer


def signing(sequencer: Sequencer | None) -> Tasks:
    """The background task of a sequencer, if there is one."""
    return {} if sequencer is None else {"audit": sequencer.run}


def indexing(log: str, url: str) -> Tasks:
    """The background task that fills the index of a log's trail, for those who ask it."""
    return {"trail": TrailIndex(url, log).run}


async def stream(
    settings: Settings, topics: Sequence[str], *, relay: Relay | None = None, subscription: Subscription | None = None
) -> None:
    """Publishes a log and follows other topics, once there is a broker with these topics; runs until cancelled.

    A relay that stops at a record which cannot be published stops nothing else: readiness tells it, commands go on.
    """
    await ensure_topics(settings.kafka, topics, partitions=settings.partitions, replication=settings.replication)
    publishing = None if relay is None else asyncio.create_task(relay.run(), name="relay")
    try:
        if subscription is not None:
            await follow(subscription)
        await asyncio.Event().wait()
    finally:
        if subscription is not None:
            await subscription.stop()
        if relay is not None and publishing is not None:
            await relay.stop()
            await publishing


def _tune_collector() -> None:
    # A batch makes very many objects that all live until it ends, hardly a cycle among them: with Python's default
    # thresholds the search for cycles takes a third to a half of its time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)
