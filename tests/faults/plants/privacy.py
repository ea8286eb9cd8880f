"""Bugs in keeping secrets: data keys, sealing, log lines."""

from __future__ import annotations

from tests.faults.plants.plant import LOGS, SERVICES, Edit, Plant

PLANTS = (
    Plant(
        "field-left-unsealed",
        "One personal field is written to the log in the open: a contact point as it was typed.",
        LOGS,
        (
            Edit(
                "shared.eventlog.mapper:encode",
                {"for name in event.SEALED if name in data}": "for name in event.SEALED - {'raw'} if name in data}"},
            ),
        ),
        (),
        ("I9",),
        needs="contact points that are added",
    ),
    Plant(
        "personal-data-logged",
        "A registration that is refused because its external id is known writes the name of the customer to the log of "
        "the process.",
        ("customer",),
        (
            Edit(
                "services.customer.application:Application.register",
                {
                    "    except AlreadyReserved:\n": "    except AlreadyReserved:\n"
                    "        from shared.log import get_logger\n"
                    '        get_logger(__name__).info(f"registered before: {command.name.full}")\n'
                },
            ),
        ),
        (),
        ("I9",),
        needs="registrations of an external id that is known, under another key",
    ),
    Plant(
        "erased-key-kept",
        "An approved erasure is entered and recorded, but the data key is not destroyed: everything stays readable.",
        ("customer",),
        (
            Edit(
                "services.customer.erasing:Eraser._erase",
                {"await asyncio.to_thread(self._application.log.keyring.bury, [subject])": "pass"},
            ),
        ),
        (),
        ("I9",),
        needs="erasures",
    ),
    Plant(
        "erasure-not-in-ledger",
        "An erasure is carried out and not entered in the ledger, so a restored backup brings the customer back.",
        ("customer",),
        (
            Edit(
                "services.customer.erasing:Eraser._erase",
                {"await asyncio.to_thread(self._ledger.add, subject, self._application.clock.now())": "pass"},
            ),
        ),
        (),
        ("I9",),
        needs="erasures",
    ),
    Plant(
        "views-not-purged",
        "The views do not notice that a customer was erased: the name stays in the directory.",
        ("projections",),
        (
            Edit(
                "services.projections.application:Application._apply",
                {"for customer in erased_in(events):": "for customer in ():"},
            ),
        ),
        (),
        ("I4", "I9"),
        needs="erasures",
    ),
    Plant(
        "match-keys-kept",
        "Identity keeps the sealed features and match keys of who was erased.",
        ("identity",),
        (Edit("services.identity.batch:Matching.apply", {"for event in events:": "for event in ():"}),),
        (),
        ("I9",),
        needs="erasures",
    ),
    Plant(
        "key-cache-by-prefix",
        "Open data keys are cached under the beginning of the subject's id, which customers that were registered in "
        "the same minute share.",
        SERVICES,
        (
            Edit(
                "shared.privacy.keyring:Keyring._open_rows",
                {
                    "        subject: DataKey(": "        subject: vars(self).setdefault('_opened', {}).setdefault("
                    "subject[:8], DataKey(",
                    "AESGCM(self._unwrap(subject, kek, wrapped)))": "AESGCM(self._unwrap(subject, kek, wrapped))))",
                },
            ),
        ),
        (),
        ("I11", "I4", "I12", "I9"),
    ),
    Plant(
        "key-made-anew",
        "Whoever asks for a key to seal with replaces the one that exists, so nothing that was sealed before opens "
        "again.",
        LOGS,
        (
            Edit(
                "shared.privacy.keyring:ENSURE",
                {
                    "ON CONFLICT (subject) DO NOTHING": "ON CONFLICT (subject) DO UPDATE SET kek = excluded.kek, "
                    "wrapped = excluded.wrapped WHERE data_keys.wrapped IS NOT NULL",
                    "AND wrapped IS NOT NULL": "AND wrapped IS NOT NULL AND subject NOT IN (SELECT subject FROM made)",
                },
            ),
        ),
        (),
        ("I11", "I4", "I12"),
        needs="changes of personal fields",
    ),
)
