"""Places at which a test may let this process die, as by a power cut: nothing is flushed, closed or rolled back.

Outside tests no call does anything: CUSTLOG_CRASH_FOLDER is not set.
"""

import os
from collections.abc import Mapping

EXIT_CODE = 137
"""What a shell reports of a process that was killed with signal 9."""

POINTS: Mapping[str, str] = {
    "keyring.after_ensure": "A subject's data key is made, the event sealed with it is lost; the key is used later.",
    "log.before_commit": "Commands were taken from the queue, nothing is stored; their senders hear nothing.",
    "log.after_commit": "Commands are stored, their senders hear nothing; the same key answers them again.",
    "intake.between_chunks": "The rows so far are stored and maybe answered, the rest of the file is lost.",
    "relay.after_read": "Records were read from the log, none is in Kafka.",
    "relay.before_kafka_commit": "Records are in Kafka in an open transaction, which the next producer aborts.",
    "relay.after_kafka_commit": "Records are in Kafka, the position is not stored: they are published again.",
    "relay.after_store": "Records are in Kafka and the position is stored; the leader is lost.",
    "consumer.before_commit": "A batch was applied in an open PostgreSQL transaction, which is rolled back.",
    "consumer.after_commit": "A batch is applied, Kafka's own offset is not moved: it is not read.",
    "views.before_commit": "A batch was folded in an open MongoDB transaction, which is aborted.",
    "views.after_commit": "A batch is in the views, Kafka's own offset is not moved: it is not read.",
    "views.before_drop_retired": "A customer is out of the views, older builds still stand: they are dropped next.",
    "redrive.before_commit": "Parked records were tried again in an open PostgreSQL transaction: they stay parked.",
    "views.before_redrive_commit": "Parked records were tried again in an open MongoDB transaction: they stay parked.",
    "timers.before_commit": "Due reminders were fired in an open transaction: they stay due.",
    "timers.after_commit": "Due reminders are fired and their messages queued; nobody was woken to send them.",
    "delivery.after_claim": "Messages are claimed and not sent; they are due again when their lease ends.",
    "delivery.after_send": "Messages are sent and not recorded; the same ids are sent again when their lease ends.",
    "erasing.after_ledger": "A customer is in the ledger of erasures, its key still there: it is destroyed next.",
    "erasing.after_destroy": "A customer's key is destroyed, the log does not say so yet: it is said next.",
    "erasing.after_record": "The log says that a customer is erased: nothing is left to do.",
    "rebuild.before_switch": "A build is complete, the aliases still name the old one.",
    "rebuild.after_switch": "The aliases name the new build, its record still says that it is being made.",
}
"""Name -> what a crash at that place loses and what it leaves."""

_FOLDER = os.environ.get("CUSTLOG_CRASH_FOLDER", "")
_MAY_CRASH = bool(_FOLDER)


def crash_here(name: str) -> None:
    """Ends the process at once if a file `name` lies in the crash folder; the file is removed, so one process dies."""
    if _MAY_CRASH:
        _crash_if_armed(name)


def _crash_if_armed(name: str) -> None:
    try:
        os.unlink(f"{_FOLDER}/{name}")  # noqa: PTH108 - a call per batch and command: no Path objects
    except FileNotFoundError:
        return
    os._exit(EXIT_CODE)
