"""A process that fires what is due, sends it nowhere and is killed on the way; its arguments are those of main."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from services.notifications.deliveries import Deliveries
from services.notifications.timers import Timers
from shared.clock import SystemClock, TestClock
from shared.eventlog.log import Log
from shared.privacy.keyring import KeyEncryptionKeys, Keyring


def main(url: str, keyring_url: str, kek_file: str, now: str) -> None:
    keyring = Keyring(keyring_url, KeyEncryptionKeys.read(Path(kek_file)))
    keyring.open()
    log = Log("notifications", url, keyring, SystemClock())
    log.open()
    clock = TestClock(datetime.fromisoformat(now))
    asyncio.run(Timers(log, clock, channel="spool").fire_due())
    asyncio.run(Deliveries(log, clock, {}).send_due())


if __name__ == "__main__":
    main(*sys.argv[1:])
