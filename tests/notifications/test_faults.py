"""Kills and races around the firing of a reminder, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from services.notifications.domain import CancelReminder
from services.notifications.timers import Timers
from shared.crash import EXIT_CODE
from shared.errors import Conflict
from shared.events.envelope import moment
from tests.faults.clock import library, remove_leftovers
from tests.notifications.bench import Bench, asked, until
from tests.notifications.bench import bench as running_bench

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]
PLANNED, CANCELLED, FIRED = "reminder.planned", "reminder.cancelled", "reminder.fired"

# The last write of the transaction that fires waits here, after the events were appended, until the test kills it.
HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';
CREATE TRIGGER hold BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION hold()"""
HELD = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


def firing_process(
    database: Callable[[str], str], folder: Path, bench: Bench, **variables: str
) -> subprocess.Popen[bytes]:
    (kek,) = folder.glob("kek-*.json")
    arguments = (database("notifications"), database("keyring"), str(kek), bench.clock.now().isoformat())
    command = [sys.executable, "-m", "tests.notifications.killed", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | variables)


async def test_a_process_killed_between_claim_and_commit_leaves_the_reminder_to_fire_once(
    empty: Callable[[str], str], tmp_path: Path
) -> None:
    with (
        running_bench(empty, tmp_path) as bench,
        psycopg.connect(empty("notifications"), autocommit=True) as side,
    ):
        customer = await bench.register(date(1980, 3, 1))
        await bench.follow()
        bench.at("2027-03-02T00:00Z")
        side.execute(HOLD)
        process = firing_process(empty, tmp_path, bench)
        try:
            await until(lambda: side.execute(HELD).fetchone() is not None, "the process never came to its last write")
        finally:
            process.kill()
            process.wait()
        # What the server does by itself as soon as it notices the lost client.
        side.execute(f"SELECT pg_terminate_backend(pid) FROM ({HELD}) AS held")
        await until(lambda: side.execute(HELD).fetchone() is None, "the killed transaction lives on")
        side.execute("DROP TRIGGER hold ON deliveries")
        assert await bench.told(customer) == [PLANNED]

        assert (await bench.timers.fire_due())["fired"] == 1
        assert await bench.deliveries.send_due() == {"sent": 1, "failed": 0}

        assert sorted(await bench.told(customer)) == sorted([PLANNED, FIRED, PLANNED, "message.sent"])
        assert len(bench.spooled()) == 1


async def test_a_crash_between_sending_and_recording_shows_the_receiver_one_message(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.follow()
    bench.at("2027-03-02T00:00Z")
    await bench.timers.fire_due()

    # All that a process does before it dies: it claims and sends, and records nothing.
    for delivery in await bench.log.in_thread(bench.deliveries._claim):
        await bench.deliveries._send(delivery, asyncio.Semaphore(1))
    assert await bench.deliveries.send_due() == {"sent": 0, "failed": 0}

    await bench.execute("UPDATE deliveries SET next_try_at = now()")
    assert await bench.deliveries.send_due() == {"sent": 1, "failed": 0}

    assert (await bench.told(customer)).count("message.sent") == 1
    assert len(bench.spooled()) == 1


async def test_a_message_claimed_by_a_process_whose_clock_was_days_ahead_is_sent_after_the_lease(
    empty: Callable[[str], str], tmp_path: Path
) -> None:
    moved = library()
    if moved is None:
        pytest.skip("libfaketime is not installed")
    with running_bench(empty, tmp_path) as bench:
        customer = await bench.register(date(1980, 3, 1))
        await bench.follow()
        bench.at("2027-03-02T00:00Z")
        (tmp_path / "delivery.after_claim").touch()
        ahead = {"LD_PRELOAD": str(moved), "FAKETIME": "+2d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        process = firing_process(empty, tmp_path, bench, CUSTLOG_CRASH_FOLDER=str(tmp_path), **ahead)
        try:
            assert await asyncio.to_thread(process.wait, 60) == EXIT_CODE
        finally:
            process.kill()
            remove_leftovers()
        (fired,) = (event for event in await bench.events() if event.type == FIRED)
        assert moment(fired.recorded_at) > datetime.now(UTC) + timedelta(days=1)

        assert await bench.deliveries.send_due() == {"sent": 0, "failed": 0}
        await bench.execute("UPDATE deliveries SET next_try_at = next_try_at - interval '2 minutes'")
        assert await bench.deliveries.send_due() == {"sent": 1, "failed": 0}

        assert (await bench.told(customer)).count("message.sent") == 1


async def test_two_instances_fire_each_reminder_once(bench: Bench) -> None:
    customers = await bench.register_many(300, date(1980, 3, 1))
    await bench.follow()
    bench.at("2027-03-02T00:00Z")
    other = Timers(bench.log, bench.clock, channel="spool")

    counts = await asyncio.gather(*(timers.fire_due() for timers in (bench.timers, other, bench.timers)))

    assert sum(count["fired"] for count in counts) == len(customers)
    fired = [event.customer for event in await bench.events() if event.type == FIRED]
    assert sorted(fired) == sorted(customers)


async def test_a_cancellation_racing_the_firing_has_one_linear_outcome(bench: Bench) -> None:
    await bench.register_many(60, date(1980, 3, 1))
    await bench.follow()
    bench.at("2027-03-02T00:00Z")
    reminders = [event.stream.removeprefix("reminder-") for event in await bench.events()]

    async def cancel(reminder: str) -> bool:
        try:
            await bench.application.cancel(reminder, CancelReminder(reason="race"), asked())
        except Conflict:
            return False
        return True

    firing = asyncio.create_task(bench.timers.fire_due())
    cancelled = await asyncio.gather(*(cancel(reminder) for reminder in reminders))
    fired = (await firing)["fired"]

    assert sum(cancelled) + fired == len(reminders)
    for reminder, was_cancelled in zip(reminders, cancelled, strict=True):
        told = [event.type for event in await bench.log.load(f"reminder-{reminder}")]
        assert told == [PLANNED, CANCELLED if was_cancelled else FIRED]


async def test_a_failing_channel_is_tried_again_later_and_given_up_in_the_end(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.follow()
    bench.at("2027-03-02T00:00Z")
    await bench.timers.fire_due()
    bench.spool.rename(bench.spool.with_name("away"))

    assert await bench.deliveries.send_due() == {"sent": 0, "failed": 1}
    assert await bench.deliveries.send_due() == {"sent": 0, "failed": 0}

    await bench.execute("UPDATE deliveries SET attempt = 11, next_try_at = now()")
    assert await bench.deliveries.send_due() == {"sent": 0, "failed": 1}

    failures = [event.data for event in await bench.events() if event.type == "message.failed"]
    assert [(f.error, f.attempt, f.final) for f in failures] == [  # type: ignore[attr-defined]
        ("no_folder", 1, False),
        ("no_folder", 12, True),
    ]
    assert (await bench.told(customer)).count("message.sent") == 0


async def test_a_message_that_failed_is_sent_once_the_way_is_free(bench: Bench) -> None:
    await bench.register(date(1980, 3, 1))
    await bench.follow()
    bench.at("2027-03-02T00:00Z")
    await bench.timers.fire_due()
    bench.spool.rename(bench.spool.with_name("away"))
    await bench.deliveries.send_due()
    bench.spool.with_name("away").rename(bench.spool)

    await bench.execute("UPDATE deliveries SET next_try_at = now()")
    assert await bench.deliveries.send_due() == {"sent": 1, "failed": 0}
    assert len(bench.spooled()) == 1
