"""One HTTP request and its answer on a connection of its own: no pool, so the client is never what is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import httptools

_CHUNK = 64 * 1024


class _Answer:
    def __init__(self, on_body: Callable[[bytes], None]) -> None:
        self.on_body = on_body
        self.complete = False

    def on_message_complete(self) -> None:
        self.complete = True


async def exchange(
    method: str, url: str, headers: Mapping[str, str], content: bytes, on_body: Callable[[bytes], None]
) -> int:
    """The status, once the whole body was given to `on_body` in parts.

    Raises OSError where the connection fails, EOFError where it ends too soon, HttpParserError for what is no HTTP.
    Has no time limit. What `on_body` raises ends up as HttpParserError.
    """
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(_head(method, url, headers, len(content)) + content)
        answer = _Answer(on_body)
        parser = httptools.HttpResponseParser(answer)
        while not answer.complete:
            part = await reader.read(_CHUNK)
            if not part:
                raise EOFError("the connection ended before the answer did")
            parser.feed_data(part)
        return parser.get_status_code()
    finally:
        # Nothing is left to be sent, and a peer that stands still must not be waited for.
        writer.transport.abort()


def _head(method: str, url: str, headers: Mapping[str, str], length: int) -> bytes:
    address = urlsplit(url)
    target = f"{address.path}?{address.query}" if address.query else address.path
    lines = [f"{method} {target} HTTP/1.1", f"Host: {address.netloc}", "Connection: close", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
