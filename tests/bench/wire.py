"""HTTP with next to no cost of its own: a general client takes longer than the answers that are measured."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: path and query, for a POST (or another method) the JSON, and further whole header lines."""

    path: str
    body: bytes | None = None
    method: str = ""
    headers: tuple[str, ...] = ()


@dataclass(slots=True)
class Load:
    """What came of some requests: the seconds of each good one, and how often which status refused.

    `contents` are the good answers to requests with a body, in the order in which they came.
    """

    seconds: list[float] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    whole: float = 0.0

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return len(self.seconds) / self.whole


async def send(url: str, token: str, requests: Iterable[Request], *, callers: int, seconds: float) -> Load:
    """Sends until the time is over or all are sent; each caller keeps one connection and waits for its answer."""
    load = Load()
    began = time.perf_counter()
    coming = _until(iter(requests), began + seconds)
    await asyncio.gather(*(_caller(url, token, coming, load) for _ in range(callers)))
    load.whole = time.perf_counter() - began
    return load


async def _caller(url: str, token: str, coming: Iterator[Request], load: Load) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        for request in coming:
            asked = time.perf_counter()
            writer.write(_head(request, address.netloc, token) + (request.body or b""))
            status, content = await _answer(reader)
            if status < 300:
                load.seconds.append(time.perf_counter() - asked)
                if request.body is not None:
                    load.contents.append(content)
            else:
                load.refused[status] += 1
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _head(request: Request, host: str, token: str) -> bytes:
    lines = [
        f"{request.method or ('GET' if request.body is None else 'POST')} {request.path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {token}",
        *request.headers,
    ]
    if request.body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(request.body)}"]
    return "\r\n".join([*lines, "", ""]).encode()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and content. It has to say its length."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    start = head.index(_LENGTH) + len(_LENGTH)
    content = await reader.readexactly(int(head[start : head.index(b"\r\n", start)]))
    return int(head.split(b" ", 2)[1]), content


def _until(requests: Iterator[Request], end: float) -> Iterator[Request]:
    for request in requests:
        if time.perf_counter() > end:
            return
        yield request
