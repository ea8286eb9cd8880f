"""What a monitor remembers, and what it makes of a log that went back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.monitor.log_watch import LogWatch
from deploy.monitor.memory import MOST_KEPT, Forgotten, Kept, Memory, MonitorRuns, open_memory
from deploy.monitor.stillness import Stillness
from shared.audit.checkpoint import Checkpoint
from shared.audit.keys import AuditKeys, next_generation
from shared.audit.note import Note
from shared.audit.signer import Signer
from shared.clock import Clock, SystemClock, TestClock
from shared.eventlog.log import Log
from tests.support.audit import signing_key
from tests.support.audit_store import LOG, audit_keys, fill, rows, running_store
from tests.support.logs import running_keyring, running_log

CLOCK = SystemClock()
SIGNER = Signer("custlog/3f2a9c/customer", signing_key("customer"))


def seen(size: int) -> Kept:
    checkpoint = Checkpoint(SIGNER.key.name, size, bytes([size % 256]) * 32, bytes(32))
    return Kept(checkpoint, Note(checkpoint.text, (SIGNER.sign(checkpoint.text),)).encode())


def test_a_monitor_remembers_the_checkpoints_it_saw_over_a_restart(tmp_path: Path) -> None:
    with open_memory(tmp_path / "own") as memory:
        assert memory.kept(LOG, [SIGNER.key]) == []
        memory.keep(LOG, [seen(3), seen(7)])

    with open_memory(tmp_path / "own") as memory:
        assert memory.kept(LOG, [SIGNER.key]) == [seen(3), seen(7)]


def test_of_very_many_checkpoints_old_ones_are_dropped_and_never_the_newest(tmp_path: Path) -> None:
    kept: list[Kept] = []
    with open_memory(tmp_path) as memory:
        for size in range(1, 3 * MOST_KEPT):
            memory.keep(LOG, [*kept, seen(size)])
            kept = memory.kept(LOG, [SIGNER.key])
            assert kept[-1] == seen(size)
            assert len(kept) <= MOST_KEPT

    assert kept[0] == seen(1)


def test_what_was_altered_in_its_folder_stops_the_monitor(tmp_path: Path) -> None:
    with open_memory(tmp_path) as memory:
        memory.keep(LOG, [seen(3)])
        file = tmp_path / f"{LOG}.json"
        file.write_text(file.read_text().replace("\\n3\\n", "\\n2\\n"))

        with pytest.raises(Forgotten, match="cannot be believed"):
            memory.kept(LOG, [SIGNER.key])


def test_two_monitors_do_not_share_a_folder(tmp_path: Path) -> None:
    with open_memory(tmp_path), pytest.raises(MonitorRuns, match="another --folder"), open_memory(tmp_path):
        pass


@pytest.fixture
def url(postgres_url: Callable[[str], str]) -> str:
    return postgres_url("monitor")


@pytest.fixture
def log(url: str, keyring_url: str, tmp_path: Path) -> Iterator[Log]:
    with running_keyring(keyring_url, tmp_path) as keyring, running_log(LOG, url, keyring) as log:
        yield log


def watch(url: str, keys: AuditKeys, memory: Memory, clock: Clock = CLOCK) -> LogWatch:
    return LogWatch(LOG, url, keys.verifiers(LOG), witnesses=(), witness_keys=(), memory=memory, clock=clock)


@pytest.mark.server
async def test_a_backup_that_was_put_back_is_told_once_and_the_log_is_followed_under_its_new_origin(
    url: str, log: Log, tmp_path: Path
) -> None:
    keys = audit_keys(tmp_path / "audit")
    await fill(log, 9)
    with open_memory(tmp_path / "own") as memory:
        with running_store(url, keys) as store:
            store.advance()
        assert watch(url, keys, memory).look().alarms == []

        rows(url, "DELETE FROM events WHERE notification_id > 5")
        for table in ("tiles", "heads", "buckets", "checkpoints"):
            rows(url, f"DELETE FROM audit_{table}")
        next_generation(keys.folder, LOG)
        keys = AuditKeys.read(keys.folder)
        with running_store(url, keys) as store:
            store.advance()

        (alarm,) = watch(url, keys, memory).look().alarms
        assert (alarm.kind, alarm.first, alarm.last) == ("restored", 6, 9)
        assert watch(url, keys, memory).look().alarms == []


@pytest.mark.server
async def test_a_log_whose_checkpoints_are_all_gone_was_rolled_back(url: str, log: Log, tmp_path: Path) -> None:
    keys = audit_keys(tmp_path / "audit")
    await fill(log, 4)
    with running_store(url, keys) as store, open_memory(tmp_path / "own") as memory:
        assert watch(url, keys, memory).look().troubles[0].endswith("then try again")
        store.advance()
        assert watch(url, keys, memory).look().alarms == []
        rows(url, "DELETE FROM audit_checkpoints")

        (alarm,) = watch(url, keys, memory).look().alarms

    assert (alarm.kind, alarm.first, alarm.last) == ("rolled_back", 1, 4)


@pytest.mark.server
async def test_a_monitor_that_goes_on_where_it_ended_reads_all_of_it_again_when_told(
    url: str, log: Log, tmp_path: Path
) -> None:
    keys = audit_keys(tmp_path / "audit")
    await fill(log, 4)
    with running_store(url, keys) as store, open_memory(tmp_path / "own") as memory:
        watching = watch(url, keys, memory)
        store.advance()
        assert watching.look().alarms == []
        rows(url, "UPDATE events SET state = '{}' WHERE notification_id = 2")
        await fill(log, 2)
        store.advance()
        assert watching.look().alarms == []

        watching.begin_anew()
        (alarm,) = watching.look().alarms

    assert (alarm.kind, alarm.first, alarm.last) == ("altered", 2, 2)


def test_what_is_not_signed_waits_by_its_own_time_or_by_that_of_the_watch() -> None:
    at = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    still = Stillness()

    assert still.waits(5, at, at, 100.0) == 0.0
    # A log whose clock stands ahead cannot hide it.
    assert still.waits(5, at + timedelta(days=1), at, 170.0) == 70.0
    assert still.waits(6, at, at + timedelta(seconds=9), 171.0) == 9.0
    still.signed()
    assert still.waits(6, at, at, 500.0) == 0.0


@pytest.mark.server
async def test_a_log_that_goes_on_without_being_signed_is_told_until_it_is(url: str, log: Log, tmp_path: Path) -> None:
    keys, later = audit_keys(tmp_path / "audit"), TestClock(SystemClock().now() + timedelta(minutes=2))
    await fill(log, 3)
    with running_store(url, keys) as store, open_memory(tmp_path / "own") as memory:
        store.advance()
        await fill(log, 2)
        watching = watch(url, keys, memory, later)
        assert watch(url, keys, memory).look().alarms == []
        (alarm,) = watching.look().alarms
        assert (alarm.kind, alarm.first) == ("still", 4)
        assert "its newest checkpoint ends at 3" in alarm.sentence
        assert [each.identity for each in watching.look().alarms] == [alarm.identity]
        store.advance()
        assert watching.look().alarms == []
