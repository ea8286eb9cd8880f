"""Each mode of the proxy does what it says, on a plain echo server."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from deploy.embedded import ports
from deploy.embedded.home import PROJECT
from deploy.embedded.ports import LOOPBACK
from tests.faults.links import Link, Links, Upstream
from tests.faults.proxy import Proxies

SECONDS = 20
LARGE = os.urandom(8 * 1024 * 1024)


@dataclass
class Caller:
    """A client of the echo server behind the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def echo(self, data: bytes) -> bytes:
        self.writer.write(data)
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(len(data))

    async def hears_nothing(self, data: bytes) -> bool:
        """Whether no answer to these bytes comes for a while; it may come later."""
        self.writer.write(data)
        try:
            async with asyncio.timeout(0.3):
                await self.reader.readexactly(1)
        except TimeoutError:
            return True
        return False

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def hears(self, data: bytes) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(len(data))


@dataclass
class Bench:
    proxies: Proxies
    ended: list[bool]
    """Whether the server saw the regular end of a connection (False: a reset)."""
    received: bytearray
    callers: list[Caller]

    async def call(self) -> Caller:
        caller = Caller(*await asyncio.open_connection(LOOPBACK, self.proxies.links.links["echo"].listen))
        self.callers.append(caller)
        return caller


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(Proxies(Links(0, {})), [], bytearray(), [])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                made.received.extend(data)
                writer.write(data)
                await writer.drain()
            made.ended.append(True)
        except ConnectionError:
            made.ended.append(False)
        finally:
            writer.close()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    state = tmp_path / "server.json"
    state.write_bytes(orjson.dumps({"ports": {"port": server.sockets[0].getsockname()[1]}}))
    listen = ports.choose()
    links = Links(ports.choose(avoid=frozenset({listen})), {"echo": Link(listen, Upstream(str(state)))})
    made.proxies = Proxies(links)
    links.write(tmp_path / "links.json")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.proxy", str(tmp_path / "links.json"), cwd=PROJECT
    )
    try:
        await _until(lambda: ports.accepts(links.control))
        yield made
    finally:
        for caller in made.callers:
            await caller.close()
        process.kill()
        await process.wait()
        server.close()


async def test_what_passes_arrives_unchanged_and_both_ends_see_a_regular_end(bench: Bench) -> None:
    caller = await bench.call()

    sending = asyncio.create_task(caller.echo(LARGE))
    assert await sending == LARGE
    caller.writer.write_eof()

    assert await caller.reader.read() == b""
    await _until(lambda: bench.ended == [True])
    assert (await bench.proxies.touched("echo")).connections == 1
    assert (await bench.proxies.touched("echo")).bytes == 2 * len(LARGE)


async def test_latency_is_added_in_each_direction_and_keeps_the_order(bench: Bench) -> None:
    caller = await bench.call()
    await bench.proxies.set("echo", "latency", ms=60, jitter=50)
    loop = asyncio.get_running_loop()
    began = loop.time()

    for number in range(20):
        caller.writer.write(b"%02d" % number)
        await asyncio.sleep(0.002)
    got = await caller.hears(b"00" * 20)

    assert got == b"".join(b"%02d" % number for number in range(20))
    assert loop.time() - began > 0.02


async def test_a_throttled_link_lets_through_what_it_was_told(bench: Bench) -> None:
    caller = await bench.call()
    await bench.proxies.set("echo", "throttle", bytes_per_second=20_000)
    loop = asyncio.get_running_loop()
    began = loop.time()

    assert await caller.echo(LARGE[:10_000]) == LARGE[:10_000]

    assert loop.time() - began > 0.45


async def test_a_black_hole_takes_open_and_new_connections_and_loses_nothing(bench: Bench) -> None:
    before = await bench.call()
    assert await before.echo(b"one") == b"one"
    await bench.proxies.set("echo", "black_hole")
    during = await bench.call()

    assert await before.hears_nothing(b"two")
    assert await during.hears_nothing(b"three")
    assert (await bench.proxies.touched("echo")).connections == 2
    await bench.proxies.set("echo", "pass")

    assert await before.hears(b"two") == b"two"
    assert await during.hears(b"three") == b"three"


async def test_a_reset_ends_open_and_new_connections_as_a_crash_does(bench: Bench) -> None:
    before = await bench.call()
    assert await before.echo(b"one") == b"one"

    await bench.proxies.set("echo", "reset")

    with pytest.raises(ConnectionResetError):
        await before.hears(b"more")
    await _until(lambda: bench.ended == [False])
    with pytest.raises((ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)):
        await (await bench.call()).echo(b"two")
    await bench.proxies.set("echo", "pass")
    assert await (await bench.call()).echo(b"three") == b"three"


async def test_a_half_closed_link_ends_one_direction_and_leaves_the_other(bench: Bench) -> None:
    caller = await bench.call()
    assert await caller.echo(b"one") == b"one"

    await bench.proxies.set("echo", "half_close", direction="to_client")

    assert await caller.reader.read() == b""
    caller.writer.write(b"two")
    await _until(lambda: bytes(bench.received) == b"onetwo")
    assert bench.ended == []


async def test_the_other_direction_can_be_closed_too(bench: Bench) -> None:
    caller = await bench.call()
    assert await caller.echo(b"one") == b"one"

    await bench.proxies.set("echo", "half_close", direction="to_server")

    await _until(lambda: bench.ended == [True])


async def test_a_server_that_is_away_resets_its_clients_and_is_found_again_on_another_port(
    bench: Bench, tmp_path: Path
) -> None:
    state = tmp_path / "server.json"
    there = state.read_bytes()
    state.write_bytes(orjson.dumps({"ports": {"port": ports.choose()}}))
    with pytest.raises((ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)):
        await (await bench.call()).echo(b"one")

    state.write_bytes(there)

    assert await (await bench.call()).echo(b"two") == b"two"


async def test_an_unknown_mode_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="no mode"):
        await bench.proxies.set("echo", "swallow")  # type: ignore[arg-type]


async def _until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not met():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
