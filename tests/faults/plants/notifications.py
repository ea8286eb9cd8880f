"""Bugs in reminding: too early, twice, never, or after it was called off."""

from __future__ import annotations

from tests.faults.plants.plant import Edit, Plant

_SERVICE = ("notifications",)
_QUEUE = "    store.queue(tx.cursor, [self._delivery(e.change.timer) for e in endings if e.fired])\n"

PLANTS = (
    Plant(
        "timer-fires-early",
        "A round looks two seconds ahead, so as not to be late, and fires what is not due yet.",
        _SERVICE,
        (
            Edit(
                "services.notifications.timers:Timers._round",
                {
                    "    now = self._clock.now()\n": "    from datetime import timedelta\n"
                    "    now = self._clock.now() + timedelta(seconds=2)\n"
                },
            ),
        ),
        (),
        ("I7",),
        needs="reminders that fall due during the run",
    ),
    Plant(
        "message-id-per-attempt",
        "A message gets its id when it is sent instead of when it is queued, so one that is sent again after a crash "
        "is a second message to its receiver.",
        _SERVICE,
        (
            Edit(
                "services.notifications.deliveries:Deliveries._send",
                {
                    "    message = Message(delivery.message_id,": "    from shared.ids import uuid7\n"
                    "    message = Message(uuid7(),"
                },
            ),
        ),
        (),
        ("I7",),
        needs="reminders that fall due during the run",
    ),
    Plant(
        "delivery-unclaimed",
        "Messages to send are not claimed and every process writes under names of its own, so two instances send the "
        "same message.",
        _SERVICE,
        (
            Edit("services.notifications.deliveries:Deliveries._claim", {"LEASE": "LEASE * 0"}),
            Edit("services.notifications.store:_CLAIM_DELIVERIES", {"\n    FOR UPDATE SKIP LOCKED": ""}),
            Edit(
                "services.notifications.channels.spool:Spool._write",
                {'name = f"{message.id}.json"': 'name = f"{message.id}-{os.getpid()}.json"'},
            ),
        ),
        (),
        ("I7",),
        needs="reminders that fall due during the run",
    ),
    Plant(
        "timer-fires-twice",
        "Firing neither claims the timer nor marks it, and every round is an occasion of its own for the log and the "
        "queue.",
        _SERVICE,
        (
            Edit(
                "services.notifications.timers:Timers._end",
                {
                    "    store.save_timers(tx.cursor, book.changed.values())\n": "    store.save_timers(\n"
                    "        tx.cursor,\n"
                    "        [\n"
                    "            replace(t, status='planned') if not t.birthday and t.status == 'fired' else t\n"
                    "            for t in book.changed.values()\n"
                    "        ],\n"
                    "    )\n"
                },
            ),
            Edit(
                "services.notifications.timers:Timers._delivery",
                {
                    "causes.message_id(timer, self._channel)": "causes.derive("
                    "'message', timer.reminder_id, self._channel, str(timer.seq))"
                },
            ),
        ),
        (),
        ("I7", "I2"),
        needs="reminders that fall due during the run",
    ),
    Plant(
        "cancelled-reminder-fires",
        "Whether a reminder was cancelled is not looked at when it falls due.",
        _SERVICE,
        (
            Edit("services.notifications.store:claim_due", {"status = 'planned'": "status <> 'fired'"}),
            Edit("services.notifications.store:oldest_due", {"status = 'planned'": "status <> 'fired'"}),
            Edit("services.notifications.domain:_fire", {'    _expect(state, reminder_id, "planned")\n': ""}),
        ),
        (),
        ("I7",),
        needs="reminders that are cancelled and would fall due during the run",
    ),
    Plant(
        "queued-after-firing",
        "The message of a fired reminder is queued by another transaction, so a crash between them loses it.",
        _SERVICE,
        (
            Edit("services.notifications.timers:Timers._end", {_QUEUE: "    self._ended = endings\n"}),
            Edit(
                "services.notifications.timers:Timers._round",
                {
                    '    crash_here("timers.after_commit")\n': '    crash_here("timers.after_commit")\n'
                    "    fired = [self._delivery(e.change.timer) for e in self._ended if e.fired] if due else []\n"
                    "    with self._log.transaction() as tx:\n"
                    "        store.queue(tx.cursor, fired)\n"
                },
            ),
        ),
        ("crash", "kill", "reset"),
        ("I7",),
        needs="reminders that fall due during the run",
    ),
)
