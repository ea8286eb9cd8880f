"""All links of a system as one process: `python -m tests.faults.proxy LINKS_FILE`. It takes orders as lines of JSON."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast, get_args

import orjson
import uvloop

from deploy.embedded.ports import LOOPBACK
from tests.faults.flow import Flow, Mode, ModeName
from tests.faults.links import Link, Links

_ORDER_SECONDS = 10.0
_LINGER_0 = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Touched:
    """What a link saw since its mode was set: connections that were open or came, bytes that its ends sent."""

    connections: int
    bytes: int


class Way:
    """One link: its mode, its connections, what it saw."""

    def __init__(self, link: Link, seed: str) -> None:
        self.link = link
        self.mode = Mode()
        self.rng = random.Random(seed)
        self.open: set[Connection] = set()
        self.connections = 0
        self.bytes = 0

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Connection(self).client, LOOPBACK, self.link.listen, backlog=512)

    def set(self, mode: Mode) -> None:
        self.mode = mode
        self.connections, self.bytes = len(self.open), 0
        for connection in list(self.open):
            connection.change(mode)


class Connection:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.to_server = Flow(way.mode, way.rng, self._finished)
        self.to_client = Flow(way.mode, way.rng, self._finished)
        self.client = _End(self, out=self.to_server, into=self.to_client)
        self.server = _End(self, out=self.to_client, into=self.to_server)
        self._connecting: asyncio.Task[None] | None = None

    def change(self, mode: Mode) -> None:
        """Also called when one of the two sockets has come."""
        if mode.name == "reset":
            self.reset()
            return
        for flow in (self.to_server, self.to_client):
            flow.change(mode)
        if mode.name != "black_hole" and self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        if mode.name == "half_close" and self.server.transport is not None:
            (self.to_server if mode.direction == "to_server" else self.to_client).shut()

    def came(self, end: _End) -> None:
        """A socket is there. The server's is not wanted any more if the client went in between."""
        if end is self.client:
            self.way.open.add(self)
            self.way.connections += 1
        elif self not in self.way.open:
            end.reset()
            return
        self.to_server.source = self.to_client.sink = self.client.transport
        self.to_server.sink = self.to_client.source = self.server.transport
        self.change(self.way.mode)

    def lost(self, error: Exception | None) -> None:
        """A socket is gone; the other one learns it in the same way."""
        if error is not None:
            self.reset()
        else:
            self._close()

    def reset(self) -> None:
        for end in (self.client, self.server):
            end.reset()
        self._forget()

    def _finished(self) -> None:
        if self.to_server.finished and self.to_client.finished:
            self._close()

    def _close(self) -> None:
        for end in (self.client, self.server):
            if end.transport is not None:
                end.transport.close()  # what is written already is sent
        self._forget()

    def _forget(self) -> None:
        if self._connecting is not None and self.server.transport is None:
            self._connecting.cancel()
        for flow in (self.to_server, self.to_client):
            flow.stop()
        self.way.open.discard(self)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.server, LOOPBACK, self.way.link.upstream.port())
        except (OSError, KeyError, ValueError):  # no server listens; ours has accepted already
            self.reset()


class _End(asyncio.Protocol):
    """One of the two sockets of a connection: `out` carries what it sends, `into` what it gets."""

    def __init__(self, connection: Connection, *, out: Flow, into: Flow) -> None:
        self.transport: asyncio.Transport | None = None
        self._connection = connection
        self._out = out
        self._into = into

    def reset(self) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        # uvloop gives no socket whose options can be set; another handle of the same one can.
        with socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._connection.came(self)

    def data_received(self, data: bytes) -> None:
        self._connection.way.bytes += len(data)
        self._out.feed(data)

    def eof_received(self) -> bool:
        self._out.end()
        return True  # the other direction may go on

    def pause_writing(self) -> None:
        self._into.sink_full(full=True)

    def resume_writing(self) -> None:
        self._into.sink_full(full=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.lost(exc)


class Control(asyncio.Protocol):
    """Takes {"link": name, "mode": {...} or null} and answers what the link saw since its mode was last set."""

    def __init__(self, ways: Mapping[str, Way]) -> None:
        self._ways = ways
        self._order = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._order += data
        if self._order.endswith(b"\n"):
            order = orjson.loads(self._order)
            self._order = b""
            way = self._ways[order["link"]]
            if order["mode"] is not None:
                way.set(Mode(**order["mode"]))
            self._transport.write(orjson.dumps({"connections": way.connections, "bytes": way.bytes}) + b"\n")


class Proxies:
    """The proxy process as the harness commands it. Every call raises OSError if it is gone."""

    def __init__(self, links: Links) -> None:
        self.links = links

    async def set(self, link: str, mode: ModeName, **parameters: Any) -> None:
        """How a link behaves from now on, see Mode. Raises ValueError for an unknown mode, KeyError for a link."""
        if mode not in get_args(ModeName):
            raise ValueError(f"there is no mode {mode}")
        await self._ask(link, asdict(Mode(mode, **parameters)))

    async def touched(self, link: str) -> Touched:
        """What a link saw since its mode was set."""
        return Touched(**await self._ask(link, None))

    async def heal(self) -> None:
        """Every link passes everything."""
        for link in self.links.links:
            await self.set(link, "pass")

    async def _ask(self, link: str, mode: dict[str, Any] | None) -> dict[str, Any]:
        order = {"link": link, "mode": mode}
        if link not in self.links.links:
            raise KeyError(link)
        async with asyncio.timeout(_ORDER_SECONDS):
            reader, writer = await asyncio.open_connection(LOOPBACK, self.links.control)
            try:
                writer.write(orjson.dumps(order) + b"\n")
                answer: dict[str, Any] = orjson.loads(await reader.readline())
            finally:
                writer.close()
                await writer.wait_closed()
        return answer


def command(links: Path, seed: int) -> list[str]:
    """How the proxy is started; it is there when its control port accepts connections."""
    return [sys.executable, "-m", __name__, str(links), str(seed)]


async def serve(links: Links, seed: str) -> None:
    """Serves all links until cancelled."""
    ways = {name: Way(link, f"{seed} {name}") for name, link in links.links.items()}
    for way in ways.values():
        await way.listen()
    # Last: who can give orders knows that everything listens.
    await asyncio.get_running_loop().create_server(lambda: Control(ways), LOOPBACK, links.control)
    await asyncio.Event().wait()


def main() -> None:
    """`python -m tests.faults.proxy LINKS_FILE [SEED]`."""
    uvloop.run(serve(Links.read(Path(sys.argv[1])), "".join(sys.argv[2:3])))


if __name__ == "__main__":
    main()
