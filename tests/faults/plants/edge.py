"""Bugs around the core: what callers are told, and what leaks."""

from __future__ import annotations

from tests.faults.plants.plant import LOGS, SERVICES, Edit, Plant

_EXECUTE = "services.customer.application:Application.execute"

PLANTS = (
    Plant(
        "expected-version-ignored",
        "The version in If-Match is not compared with that of the record: the later of two changes undoes the earlier "
        "one unseen.",
        ("customer",),
        (
            Edit(
                _EXECUTE,
                {"if expected is not None and expected != version:": "if expected is not None and not version:"},
            ),
        ),
        (),
        ("I1", "I2"),
        needs="changes with If-Match of a version that is no longer the present one",
    ),
    Plant(
        "repeat-refused",
        "A repeated command that meets the state it made itself is refused instead of getting its first answer.",
        ("customer",),
        (
            Edit(
                "services.customer.application:Application._repeated",
                {"if known[0] is None:": "if not isinstance(known[0], CommandReused):"},
            ),
        ),
        (),
        ("I1",),
        needs="repeats of known commands with If-Match, or of payments, deliveries and the like",
    ),
    Plant(
        "drained-retry-after-conflict",
        "A command that is decided again after a conflict has no events left: it is answered, nothing is stored.",
        ("customer",),
        (
            Edit(
                _EXECUTE,
                {
                    "for _ in range(TRIES)": "for tries in range(TRIES)",
                    "((append,) if events else ())": "((append,) if events and not tries else ())",
                },
            ),
        ),
        (),
        ("I1",),
        rate=60.0,
        needs="concurrent changes of one customer, order or ticket without If-Match",
    ),
    Plant(
        "stale-version-answered",
        "The answer to a command that was decided again after a conflict has the version of the first try.",
        ("customer",),
        (
            Edit(
                _EXECUTE,
                {
                    "        answer = Answer(": "        if tries == 0:\n            answer = Answer(",
                    "for _ in range(TRIES)": "for tries in range(TRIES)",
                },
            ),
        ),
        (),
        ("I1", "I2"),
        rate=60.0,
        needs="concurrent changes of one customer, order or ticket without If-Match",
    ),
    Plant(
        "keyring-connections-leak",
        "A connection to the keyring that failed is never given back, so after a few failures none is left.",
        SERVICES,
        (
            Edit(
                "shared.privacy.keyring:Keyring._connection",
                {
                    "        with self._pool.connection() as connection:\n            yield connection\n": ""
                    "        connection = self._pool.getconn()\n"
                    "        yield connection\n"
                    "        self._pool.putconn(connection)\n"
                },
            ),
        ),
        ("reset:postgres-customer", "restart:postgres", "kill:postgres"),
        ("I12", "I13", "I1"),
    ),
    Plant(
        "request-leaves-file-open",
        "Every answered request leaves a file descriptor open.",
        SERVICES,
        (
            Edit(
                "shared.edge:_record",
                {
                    "    method = _method": "    import os\n"
                    '    vars(metrics).setdefault("_opened", []).append(os.open("/dev/null", os.O_RDONLY))\n'
                    "    method = _method"
                },
            ),
        ),
        (),
        ("I13", "I12"),
    ),
    Plant(
        "batches-kept",
        "The views keep every batch they have read, in a list that nobody empties.",
        ("projections",),
        (
            Edit(
                "services.projections.application:Application._take_part",
                {
                    "    _report(done)\n": "    vars(self).setdefault('_taken', []).append(\n"
                    "        [(source, bytearray(source.value * 400)) for source in sources]\n"
                    "    )\n"
                    "    _report(done)\n"
                },
            ),
        ),
        (),
        ("I13",),
        rate=60.0,
    ),
    Plant(
        "relay-wakes-queue-up",
        "Every commit puts a wake-up with a copy of what was read into a queue that is emptied only when the relay "
        "stops.",
        LOGS,
        (
            Edit(
                "shared.relay:Relay._read_and_build",
                {
                    "    building = Building": "    vars(self).setdefault('_wakes', []).append([r.state * 900 for r in "
                    "records])\n    building = Building"
                },
            ),
        ),
        (),
        ("I13",),
        rate=60.0,
    ),
)
