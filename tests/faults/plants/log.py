"""Bugs in writing the log: positions, durability, groups of commits, what is remembered of commands, reservations."""

from __future__ import annotations

from tests.faults.plants.plant import LOGS, SERVICES, Edit, Plant

_FUNCTION = "shared.eventlog.recorder:_CREATE_FUNCTION"
_HEAD = "    SELECT coalesce(max(notification_id), 0) INTO head FROM events;\n"
_LOCK = "    PERFORM pg_advisory_xact_lock(hashtext('custlog.events'));\n"
_COMMANDS = """\
    INSERT INTO commands (id, digest, result, position)
        SELECT new.id, new.digest, new.result, head + new.first
        FROM unnest(command_ids, command_digests, command_results, command_firsts) AS new (id, digest, result, first);
"""
_REFUSALS = "    RETURN QUERY\n        SELECT new.commit_no, 'command'"
_RESERVE = """\
    IF cardinality(reserved_keys) > 0 THEN
        INSERT INTO reservations (key, owner)
            SELECT new.key, new.owner FROM unnest(reserved_keys, reserved_owners) AS new (key, owner)
            ON CONFLICT (key) DO NOTHING;
    END IF;
"""
_TAKE_KEYS = _RESERVE.replace("NOTHING", "UPDATE SET owner = excluded.owner")
_PERSIST = "shared.eventlog.group:GroupCommit._persist"
_RESOLVE = "shared.eventlog.group:_resolve_on_their_loops"
_ZIPPED = "zip(items, answers, strict=True)"

PLANTS = (
    Plant(
        "unlocked-positions",
        "Several writers take positions from a sequence without the lock, so a later position can be visible before an "
        "earlier one, and the relay's `id > last` passes over the earlier one for ever.",
        LOGS,
        (
            Edit(
                "shared.eventlog.recorder:_CREATE_RESERVATIONS",
                {")\n": ");\nCREATE SEQUENCE IF NOT EXISTS events_position\n"},
            ),
            Edit(
                _FUNCTION,
                {
                    _LOCK: "",
                    _HEAD: "    head := nextval('events_position');\n"
                    "    PERFORM nextval('events_position') FROM generate_series(2, cardinality(streams));\n"
                    "    head := head - 1;\n",
                },
            ),
            Edit("shared.eventlog.log:Transaction.lock", {"self.cursor.execute(LOCK)": "pass"}),
            Edit(
                "shared.eventlog.log:Log.__init__",
                {
                    "    self._listeners": "    self._others = [\n"
                    "        GroupCommit(self.recorder, self._writer, on_commit=self._committed) for _ in range(3)\n"
                    "    ]\n"
                    "    self._listeners"
                },
            ),
            Edit(
                "shared.eventlog.log:Log.open",
                {"self._commits.start()": "[each.start() for each in (self._commits, *self._others)]"},
            ),
            Edit(
                "shared.eventlog.log:Log.close",
                {"self._commits.stop()": "[each.stop() for each in (self._commits, *self._others)]"},
            ),
            Edit(
                "shared.eventlog.log:Log.commit",
                {
                    "self._commits.submit": "[self._commits, *self._others][\n"
                    "        hash(commit.cause.command) % 4\n    ].submit"
                },
            ),
        ),
        (),
        ("I3", "I4", "I2", "I5"),
        rate=60.0,
        needs="imports beside single commands",
    ),
    Plant(
        "asynchronous-commit",
        "PostgreSQL answers before its commit is on the disk (synchronous_commit = off), so what was acknowledged is "
        "lost when the server is killed.",
        LOGS,
        (
            Edit(
                "shared.eventlog.log:datastore",
                {"-c enable_seqscan=off": "-c enable_seqscan=off -c synchronous_commit=off"},
            ),
        ),
        ("kill",),
        ("I1", "I3", "I4"),
        rate=60.0,
    ),
    Plant(
        "answer-before-commit",
        "The sender of a command on a new stream is answered before it is written: nothing can go wrong with a new "
        "stream, somebody thought.",
        ("customer",),
        (
            Edit(
                "shared.eventlog.group:GroupCommit._run",
                {
                    "answers = self._write(": "early = [\n"
                    "            item for item in items if not any(a.expected for a in item.commit.appends)\n"
                    "        ]; "
                    "_resolve_on_their_loops(early, [Committed(0, i.commit.result) for i in early]); "
                    "answers = self._write("
                },
            ),
        ),
        (),
        ("I1",),
        needs="repeats of known commands",
    ),
    Plant(
        "drained-retry-after-outage",
        "A group that is written again after PostgreSQL was away has lost its events: the commands are answered and "
        "remembered, nothing else is stored.",
        LOGS,
        (
            Edit(_PERSIST, {"self._let_go()": "self._let_go(); vars(self._recorder)['_again'] = True"}),
            Edit(
                "shared.eventlog.recorder:LogRecorder.append",
                {
                    "    cursor.execute(": "    if vars(self).pop('_again', False):\n"
                    "        rows = Rows(*(getattr(rows, n) if n[:7] == 'command' else [] for n in Rows.__slots__))\n"
                    "    cursor.execute("
                },
            ),
        ),
        ("reset", "kill", "half_close"),
        ("I1",),
    ),
    Plant(
        "idempotency-record-left-out",
        "Commands that begin a stream leave no idempotency record, so a repeated one without an external id begins "
        "a second stream.",
        LOGS,
        (
            Edit(
                "shared.eventlog.commit:lay_out",
                {"if commit.digest:": "if commit.digest and any(append.expected for append in commit.appends):"},
            ),
        ),
        (),
        ("I1",),
        needs="repeats of known commands that begin orders, tickets or interactions",
    ),
    Plant(
        "idempotency-record-apart",
        "The idempotency record is written by a second transaction after the events, so a crash between them lets the "
        "retry write the events again.",
        SERVICES,
        (
            Edit(_FUNCTION, {_COMMANDS: ""}),
            # Nobody dies but between the two transactions.
            Edit("shared.eventlog.group:GroupCommit._write", {'    crash_here("log.after_commit")\n': ""}),
            Edit(
                "shared.eventlog.recorder:LogRecorder.append",
                {
                    "    return (-1": "    if not refusals and rows.command_ids:\n"
                    "        from shared.crash import crash_here\n"
                    "        crash_here('log.after_commit')\n"
                    "        cursor.execute(\n"
                    '            "INSERT INTO commands SELECT id, digest, result, %s + first FROM unnest("\n'
                    '            "%s::uuid[], %s::bytea[], %s::bytea[], %s::int[]) AS n (id, digest, result, first)",\n'
                    "            (\n"
                    "                answer[0]['base'], rows.command_ids, rows.command_digests,\n"
                    "                rows.command_results, rows.command_firsts,\n"
                    "            ),\n"
                    "        )\n"
                    "    return (-1"
                },
            ),
        ),
        ("crash:log.after_commit",),
        ("I1",),
        rate=40.0,
        needs="retries of unknown commands with the same key",
    ),
    Plant(
        "digest-ignored",
        "A command id that comes again with another body gets the first one's answer instead of a refusal.",
        LOGS,
        (Edit("shared.eventlog.commit:_recalled", {"if stored.digest != digest_now:": "if not stored.digest:"}),),
        (),
        ("I1",),
        needs="reuse of a key with another body",
    ),
    Plant(
        "answers-mixed-up",
        "When one commit of a group was refused, those behind it get the answers of their neighbours.",
        LOGS,
        (
            Edit(
                _RESOLVE,
                {_ZIPPED: "zip(items, sorted(answers, key=lambda one: isinstance(one, Exception)), strict=True)"},
            ),
        ),
        ("latency", "stop"),
        ("I1",),
        rate=60.0,
        needs="refusals while so many commands come at once that groups form",
    ),
    Plant(
        "refusal-spreads",
        "The neighbours of a refused commit are answered with a conflict although they are stored.",
        LOGS,
        (
            Edit(
                _RESOLVE,
                {
                    _ZIPPED: "zip(items, [next((e for e in answers if isinstance(e, Exception)), a) for a in answers], "
                    "strict=True)"
                },
            ),
        ),
        ("latency", "stop"),
        ("I1",),
        rate=60.0,
        needs="refusals while so many commands come at once that groups form",
    ),
    Plant(
        "open-outcome-refused",
        "When PostgreSQL breaks off during a commit, the sender is told that the command was refused, although it may "
        "be stored.",
        LOGS,
        (
            Edit(
                _PERSIST,
                {
                    "deadline = time": "from shared.errors import Conflict; deadline = time",
                    "if pause is None or self._stopping or": "if pause or",
                    "raise Unavailable(": "raise Conflict(",
                },
            ),
        ),
        ("half_close", "reset", "kill"),
        ("I1",),
        rate=60.0,
    ),
    Plant(
        "reservation-unchecked",
        "The check of reserved keys lets everybody pass: a source's external id can be registered twice.",
        LOGS,
        (Edit(_FUNCTION, {"r.owner <> new.owner": "r.owner <> r.owner"}),),
        (),
        ("I5", "I1"),
        needs="registrations of an external id that is known, under another key",
    ),
    Plant(
        "reservation-kept-after-refusal",
        "Keys are reserved before the checks, whoever has them, and not given back when the command is refused.",
        LOGS,
        (Edit(_FUNCTION, {_RESERVE: "", _REFUSALS: _TAKE_KEYS + _REFUSALS}),),
        (),
        ("I5", "I1"),
        needs="repeats of known registrations, or refused ones with a known external id",
    ),
    Plant(
        "gap-after-conflict",
        "A command that is decided again after a conflict counts its version up once more, and the log takes every "
        "version above its own: the stream has a gap.",
        ("customer",),
        (
            Edit(_FUNCTION, {"WHERE now_at.version <> new.version": "WHERE now_at.version > new.version"}),
            Edit(
                "services.customer.application:Application.execute",
                {"for _ in range(TRIES)": "for tries in range(TRIES)", "len(history)\n": "len(history) + tries\n"},
            ),
        ),
        (),
        ("I2",),
        rate=60.0,
        needs="concurrent changes of one customer, order or ticket without If-Match",
    ),
)
