"""A relay in a process of its own, to be killed: publishes the records 1..size to a topic, then idles."""

import asyncio
import sys

from shared.relay import Relay
from tests.shared.topic import PARTITIONS, MemoryLog


async def main(postgres_url: str, bootstrap: str, topic: str, size: str) -> None:
    log = MemoryLog(int(size))
    relay = Relay(log, postgres_url=postgres_url, bootstrap=bootstrap, topic=topic, partitions=PARTITIONS, batch=50)
    await relay.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
