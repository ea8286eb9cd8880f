"""The tree of a log on a real PostgreSQL: it is the log's, restarts and rivals change nothing, tampering is noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from shared.audit import tables
from shared.audit.checkpoint import Checkpoint
from shared.audit.heads import Head, HeadTree, bucket_of, pack
from shared.audit.keys import AuditKeys, next_generation
from shared.audit.leaf import leaves, link
from shared.audit.merkle import EMPTY_ROOT, root, verify_consistency
from shared.audit.note import Note, Verifier
from shared.audit.recount import bucket_hashes
from shared.audit.store import Discrepancy, Signed, Store
from shared.eventlog.log import Log
from tests.support.audit_store import LOG, archive, audit_keys, fill, rows, running_store
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


def expected(url: str, size: int) -> tuple[bytes, bytes, dict[bytes, Head]]:
    """Root, map root and heads of the first records, computed plainly from the rows."""
    stored = rows(url, "SELECT notification_id, state FROM events ORDER BY notification_id LIMIT %s", size)
    made = leaves([link(position, state) for position, state in stored], {})  # type: ignore[arg-type]
    heads = {leaf.key: Head(leaf.count, leaf.hash) for leaf in made}
    return root([leaf.hash for leaf in made]), HeadTree(bucket_hashes(heads)).root, heads


def assert_is_the_log(url: str, signed: Signed, size: int) -> None:
    tree, heads_root, heads = expected(url, size)
    assert (signed.checkpoint.size, signed.checkpoint.root, signed.checkpoint.heads) == (size, tree, heads_root)
    stored = rows(url, "SELECT key, count, leaf FROM audit_heads")
    assert {key: Head(count, leaf) for key, count, leaf in stored} == heads  # type: ignore[arg-type]
    assert rows(url, "SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1") == [(signed.note,)]


def replaced(column: str, old: str, new: str) -> str:
    """An SQL expression for bytes in which a text is replaced."""
    return f"convert_to(replace(convert_from({column}, 'UTF8'), '{old}', '{new}'), 'UTF8')"


def all_of(store: Store, limit: int = 1000) -> Signed:
    while (signed := store.advance(limit)).more:
        pass
    return signed


async def test_tree_and_map_are_those_of_the_log(store: Store, log: Log, url: str, keys: AuditKeys) -> None:
    customers = await fill(log, 300, events=2)
    assert_is_the_log(url, all_of(store, limit=257), 600)

    await archive(log, customers[:7], expected=2)
    signed = store.advance()

    assert_is_the_log(url, signed, 607)
    assert Checkpoint.parse(Verifier(keys.verifiers(LOG)).open(signed.note).text) == signed.checkpoint
    assert rows(url, "SELECT size FROM audit_checkpoints ORDER BY size") == [(257,), (514,), (600,), (607,)]


def test_an_empty_log_is_vouched_for(store: Store, keys: AuditKeys) -> None:
    signed = store.advance()

    assert signed.checkpoint == Checkpoint(keys.origin(LOG), 0, EMPTY_ROOT, HeadTree().root)
    assert store.advance() == signed


async def test_without_new_records_the_checkpoint_stays(store: Store, log: Log) -> None:
    await fill(log, 3)

    assert store.advance() == store.advance()


async def test_a_pass_takes_no_more_than_its_limit(store: Store, log: Log) -> None:
    await fill(log, 20)

    passes = [store.advance(limit=9) for _ in range(4)]

    assert [(each.checkpoint.size, each.more) for each in passes] == [(9, True), (18, True), (20, False), (20, False)]


async def test_a_pass_takes_large_records_in_smaller_numbers(
    store: Store, log: Log, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.audit.store.PASS_BYTES", 100)
    monkeypatch.setattr("shared.audit.store._PORTION", 8)
    await fill(log, 20)

    assert [store.advance().checkpoint.size for _ in range(3)] == [8, 15, 20]
    assert_is_the_log(url, store.advance(), 20)


async def test_a_restart_goes_on(store: Store, log: Log, url: str, keys: AuditKeys) -> None:
    await fill(log, 30, events=2)
    store.advance(limit=31)
    store.close()

    with running_store(url, keys) as again:
        assert_is_the_log(url, again.advance(), 60)


async def test_two_at_once_make_no_leaf_twice(store: Store, log: Log, url: str, keys: AuditKeys) -> None:
    await fill(log, 200, events=2)

    with running_store(url, keys) as other:
        rivals = [threading.Thread(target=all_of, args=(each, 7)) for each in (store, other)]
        for rival in rivals:
            rival.start()
        for rival in rivals:
            rival.join()
        assert other.advance() == store.advance()

    assert_is_the_log(url, store.advance(), 400)
    assert rows(url, "SELECT count(*) FROM audit_checkpoints") == [(-(-400 // 7),)]


async def test_a_pass_that_fails_is_made_again(
    store: Store, log: Log, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(log, 5)
    store.advance()
    await fill(log, 5)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "put_note", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.advance()

    assert_is_the_log(url, store.advance(), 10)


async def test_a_lost_connection_is_made_anew(store: Store, log: Log, url: str) -> None:
    await fill(log, 5)
    store.advance()
    await fill(log, 5)
    rows(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'audit customer'")

    with pytest.raises(psycopg.Error):
        store.advance()

    assert_is_the_log(url, store.advance(), 10)


async def test_consistency_is_proved_between_any_two_sizes(store: Store, log: Log) -> None:
    await fill(log, 300)
    old = store.advance(limit=270).checkpoint
    new = store.advance().checkpoint

    assert verify_consistency(270, 300, old.root, new.root, store.consistency(270, 300))


async def test_cosignatures_are_kept_with_the_note_they_are_for(store: Store, log: Log, keys: AuditKeys) -> None:
    await fill(log, 3)
    signed = store.advance()
    note = Note.parse(signed.note)
    cosigned = note.signed(keys.signers("identity")[0].sign(note.text))

    for each in (cosigned, note, cosigned):
        store.cosign(each.encode())
    for other in (replace(signed.checkpoint, size=7), replace(signed.checkpoint, root=EMPTY_ROOT)):
        store.cosign(Note(other.text, cosigned.signatures).encode())

    assert Note.parse(store.advance().note) == cosigned


async def test_a_log_of_the_next_generation_signs_under_its_own_origin(
    store: Store, log: Log, url: str, keys: AuditKeys
) -> None:
    await fill(log, 3)
    old = store.advance().checkpoint
    next_generation(keys.folder, LOG)

    with running_store(url, AuditKeys.read(keys.folder)) as restored:
        new = restored.advance().checkpoint

    assert (new.origin, new.size, new.root) == (f"{old.origin}/2", old.size, old.root)


@pytest.mark.parametrize(
    ("statement", "kind", "told"),
    [
        ("DELETE FROM events WHERE notification_id > 28", "cut", "ends at position 28, and was signed up to 30"),
        ("DELETE FROM events", "cut", "ends at position 0"),
        ("UPDATE events SET notification_id = 40 WHERE notification_id = 35", "hole", "no record at position 35"),
        ("UPDATE events SET notification_id = 41 WHERE notification_id = 30", "hole", "no record at position 30"),
        ("UPDATE events SET state = '{}' WHERE notification_id = 33", "not_a_record", "position 33"),
        ("UPDATE events SET state = state || ' ' WHERE notification_id = 33", "not_a_record", "position 33"),
        ("UPDATE audit_tiles SET hashes = sha256('') WHERE level = 0", "state", "tree was altered"),
        ("UPDATE audit_tiles SET hashes = hashes || sha256('')", "state", "tree was altered"),
        ("UPDATE audit_tiles SET hashes = overlay(hashes PLACING 'x' FROM 1)", "state", "tree"),
        ("DELETE FROM audit_tiles", "state", "tree was altered"),
        ("UPDATE audit_buckets SET hash = sha256('')", "state", "map of heads is not the one"),
        ("UPDATE audit_buckets SET hash = 'x'", "state", "map of heads were altered"),
        ("UPDATE audit_buckets SET number = number + 65536", "state", "map of heads were altered"),
        ("DELETE FROM audit_buckets", "state", "map of heads is not the one"),
        ("UPDATE audit_heads SET count = count + 1", "state", "heads of bucket"),
        ("DELETE FROM audit_heads", "state", "heads of bucket"),
        ("UPDATE audit_checkpoints SET size = 29", "state", "size 30 is stored for size 29"),
        ("UPDATE audit_checkpoints SET note = 'x'", "state", "not ours: a note must be"),
        (f"UPDATE audit_checkpoints SET note = {replaced('note', 'custlog', 'fraudlog')}", "state", "no known key"),
        (f"UPDATE audit_checkpoints SET note = {replaced('note', 'heads ', 'heads A')}", "state", "the signature of"),
    ],
)
async def test_what_was_altered_is_not_signed(
    store: Store, log: Log, url: str, keys: AuditKeys, *, statement: str, kind: str, told: str
) -> None:
    customers = await fill(log, 30)
    store.advance()
    await archive(log, customers[:6], expected=1)
    rows(url, statement)
    signed = rows(url, "SELECT * FROM audit_checkpoints")

    with running_store(url, keys) as restarted, pytest.raises(Discrepancy, match=told) as found:
        all_of(restarted)
    assert found.value.kind == kind
    # The hashes of buckets are read once: who has them signs the right ones.
    if "audit_buckets" not in statement:
        with pytest.raises(Discrepancy):
            all_of(store)

    assert rows(url, "SELECT * FROM audit_checkpoints") == signed


async def test_a_record_that_was_altered_before_it_is_signed_is_noticed_only_if_it_is_none(
    store: Store, log: Log, url: str
) -> None:
    await fill(log, 3)
    rows(url, f"UPDATE events SET state = {replaced('state', 'crm', 'shop')}")

    assert_is_the_log(url, store.advance(), 3)


async def test_tables_that_were_rolled_back_are_noticed_by_who_signed_more(store: Store, log: Log, url: str) -> None:
    customers = await fill(log, 10)
    store.advance()
    kept = ("tiles", "heads", "buckets", "checkpoints")
    for name in kept:
        rows(url, f"CREATE TABLE kept_{name} AS SELECT * FROM audit_{name}")
    await archive(log, customers, expected=1)
    store.advance()
    for name in kept:
        rows(url, f"TRUNCATE audit_{name}")
        rows(url, f"INSERT INTO audit_{name} SELECT * FROM kept_{name}")

    with pytest.raises(Discrepancy, match="has size 10, and 20 were signed") as found:
        store.advance()

    assert found.value.kind == "rolled_back"


async def test_another_history_is_noticed_by_who_signed_the_first(
    store: Store, log: Log, url: str, keys: AuditKeys
) -> None:
    await fill(log, 10)
    store.advance()
    rows(url, f"UPDATE events SET state = {replaced('state', 'crm', 'shop')}")
    for name in ("tiles", "heads", "buckets", "checkpoints"):
        rows(url, f"TRUNCATE audit_{name}")
    await fill(log, 10)
    with running_store(url, keys) as other:
        assert other.advance().checkpoint.size == 20

    with pytest.raises(Discrepancy, match="size 20 does not go on from the one signed at size 10") as found:
        store.advance()

    assert found.value.kind == "rolled_back"


def test_buckets_are_read_as_they_are_packed(store: Store, url: str) -> None:
    heads = {
        bytes([first, second]) + bytes(30): Head(1, bytes(32)) for first in (0, 1, 255) for second in (0, 254, 255)
    }
    heads |= {b"\xff" * 32: Head(2**40, b"\x01" * 32), b"\x01\x00" + b"\xff" * 30: Head(7, b"\x02" * 32)}
    with store._questions.transaction() as cursor:
        tables.put_heads(cursor, heads)
        found = tables.buckets(cursor, [0, 1, 256, 510, 65535])

    wanted = {number: {key: heads[key] for key in heads if bucket_of(key) == number} for number in (0, 256, 510, 65535)}
    assert found == {number: pack(bucket) for number, bucket in wanted.items()}
