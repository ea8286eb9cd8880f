"""A snapshot of a log and its audit trail on a real PostgreSQL: everything in it belongs to one checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from shared.audit import bundle, heads, inspection, tiles
from shared.audit.heads import BadBucket, bucket_of
from shared.audit.keys import AuditKeys
from shared.audit.leaf import link
from shared.audit.merkle import leaf_hash, verify_inclusion
from shared.audit.note import Note
from shared.audit.snapshot import NotSigned, Snapshot, snapshot
from shared.audit.store import Store
from shared.errors import Unavailable
from shared.eventlog.log import Log
from tests.support.audit_store import LOG, archive, audit_keys, fill, rows, running_store
from tests.support.cosigners import MemoryWitness
from tests.support.logs import running_keyring, running_log

pytestmark = pytest.mark.server


@pytest.fixture
def url(postgres_url: Callable[[str], str]) -> str:
    return postgres_url("audit")


@pytest.fixture
def log(url: str, keyring_url: str, tmp_path: Path) -> Iterator[Log]:
    with running_keyring(keyring_url, tmp_path) as keyring, running_log(LOG, url, keyring) as log:
        yield log


@pytest.fixture
def keys(tmp_path: Path) -> AuditKeys:
    return audit_keys(tmp_path / "audit")


@pytest.fixture
def store(url: str, keys: AuditKeys, log: Log) -> Iterator[Store]:
    with running_store(url, keys) as store:
        yield store


def now(url: str) -> AbstractContextManager[Snapshot]:
    return snapshot(url, LOG)


def stored(url: str, where: str) -> list[tuple[object, ...]]:
    return rows(url, f"SELECT notification_id, state FROM events WHERE {where} ORDER BY notification_id")


async def test_nothing_in_it_goes_beyond_its_checkpoint(store: Store, log: Log, url: str) -> None:
    customers = await fill(log, 20, events=2)
    signed = store.advance()
    with now(url) as seen:
        await archive(log, customers, expected=2)
        store.advance()
        assert (seen.checkpoint, seen.note) == signed[:2]
        assert seen.records(customers[:2]) == stored(
            url, f"customer IN ('{customers[0]}', '{customers[1]}') AND notification_id <= 40"
        )
        assert tiles.root(40, seen.tiles) == signed.checkpoint.root
        assert seen.notes(0) == [(40, signed.note)]


async def test_records_and_their_completeness_are_proved(store: Store, log: Log, url: str) -> None:
    customers = await fill(log, 300, events=2)
    store.advance()
    with now(url) as seen:
        of_customer = seen.records([customers[7]])
        key = link(*of_customer[0]).key
        bucket = bucket_of(key)
        packed, siblings = seen.buckets([bucket])[bucket], seen.siblings([bucket])[bucket]
        head = heads.verify(seen.checkpoint.heads, key, packed, siblings)

        assert head is not None
        assert head.count == len(of_customer) == 2
        last = of_customer[-1][0] - 1
        path = tiles.inclusion_proof(last, 600, seen.tiles)
        assert verify_inclusion(last, 600, head.leaf, path, seen.checkpoint.root)


async def test_absence_is_proved(store: Store, log: Log, url: str) -> None:
    await fill(log, 3)
    store.advance()
    key = leaf_hash(b"nobody")
    bucket = bucket_of(key)
    with now(url) as seen:
        assert seen.buckets([bucket]) == {bucket: b""}
        assert heads.verify(seen.checkpoint.heads, key, b"", seen.siblings([bucket])[bucket]) is None
        assert seen.records(["nobody", "customer-nobody"]) == []


async def test_a_stream_is_a_chain_only_where_there_is_no_customer(store: Store, log: Log, url: str) -> None:
    customers = await fill(log, 2)
    rows(url, "UPDATE events SET customer = NULL WHERE notification_id = 2")
    store.advance()
    with now(url) as seen:
        streams = [f"customer-{each}" for each in customers]
        assert seen.records(streams) == stored(url, "notification_id = 2")
        assert seen.records([*streams, customers[0]]) == stored(url, "true")


async def test_raw_rows_come_in_batches(store: Store, log: Log, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.audit.snapshot._PORTION", 7)
    await fill(log, 20)
    store.advance()
    with now(url) as seen:
        batches = list(seen.raw(2, 18))

    assert [len(batch) for batch in batches] == [7, 7, 2]
    assert [row for batch in batches for row in batch] == stored(url, "notification_id BETWEEN 3 AND 18")


async def test_older_checkpoints_are_kept(store: Store, log: Log, url: str) -> None:
    await fill(log, 5)
    old = store.advance()
    await fill(log, 5)
    new = store.advance()
    with now(url) as seen:
        assert (seen.note_at(5), seen.note_at(7)) == (old.note, None)
        assert seen.notes(4) == [(5, old.note), (10, new.note)]
        assert seen.notes(5) == [(10, new.note)]


async def test_it_waits_for_a_witness_but_not_for_long(store: Store, log: Log, url: str) -> None:
    witness = MemoryWitness()
    known = [witness.cosigner.key]
    await fill(log, 3)
    signed = store.advance()
    with snapshot(url, LOG, witnesses=known, seconds=0.1) as seen:
        assert seen.note == signed.note
    store.cosign(Note.parse(signed.note).signed(witness.cosigner.sign(signed.checkpoint.text, 1)).encode())
    with snapshot(url, LOG, witnesses=known, seconds=60) as seen:
        assert witness.cosigner.key.name in {each.name for each in Note.parse(seen.note).signatures}


async def test_it_is_what_bundles_and_inspections_are_made_of(
    store: Store, log: Log, url: str, keys: AuditKeys
) -> None:
    await fill(log, 600, events=2)
    store.advance(limit=500)
    store.advance()
    with now(url) as seen:
        assert inspected(seen, keys).reason == ""
        of_bundle: bundle.Snapshot = seen
        assert of_bundle.checkpoint.size == 1200


def inspected(seen: inspection.History, keys: AuditKeys) -> inspection.Verdict:
    return inspection.Inspection(keys.verifiers(LOG)).advance(seen)


async def test_an_altered_map_proves_nothing(store: Store, log: Log, url: str) -> None:
    await fill(log, 3)
    store.advance()
    rows(url, "UPDATE audit_buckets SET hash = sha256('')")
    with now(url) as seen, pytest.raises(BadBucket, match="not the one that was signed at size 3"):
        seen.siblings([1])


def test_a_log_without_a_checkpoint_is_told(log: Log, url: str, keys: AuditKeys) -> None:
    with pytest.raises(NotSigned, match="no checkpoint yet"), now(url):
        pass
    with running_store(url, keys), pytest.raises(NotSigned, match="no checkpoint yet"), now(url):
        pass


async def test_a_database_that_is_away_is_told(store: Store, log: Log, url: str) -> None:
    with pytest.raises(Unavailable), now(url + "_none"):
        pass
    await fill(log, 3)
    store.advance()
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'audit snapshot customer'"
    with now(url) as seen:
        rows(url, ended)
        with pytest.raises(Unavailable):
            seen.records(["nobody"])
