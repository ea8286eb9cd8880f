"""Sends a response while the request is still being read, to clients that read only after they have sent everything.

If answers had to wait for such a client, and the client for us to read on, both would wait for ever. So answers wait
in a file of the system's temporary folder; they hold ids and reasons, no personal data.
"""

import asyncio
import tempfile
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Self

from starlette.types import Send

MEMORY_BYTES = 1024 * 1024
CHUNK_BYTES = 64 * 1024


class Outbox:
    """Parts go out in order, beginning with `head`; leaving the context sends what is left and ends the response.

    If it is left by an exception before the first part, nothing was sent.
    """

    def __init__(self, send: Send, head: MutableMapping[str, Any]) -> None:
        self._send = send
        self._head = head
        self._file = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115 - closed by __aexit__
        self._written = 0
        self._changed = asyncio.Event()
        self._complete = False
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._complete = True
        self._changed.set()
        try:
            if self._sender is not None:
                if kind is not None:
                    self._sender.cancel()
                await asyncio.gather(self._sender, return_exceptions=kind is not None)
        finally:
            self._file.close()

    def put(self, part: bytes) -> None:
        """Takes a part; it never waits for the client."""
        self._file.seek(self._written)
        self._written += self._file.write(part)
        self._changed.set()
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), name="outbox")

    async def _send_all(self) -> None:
        await self._send(self._head)
        sent = 0
        while sent < self._written or not self._complete:
            self._changed.clear()
            while sent < self._written:
                self._file.seek(sent)
                chunk = self._file.read(CHUNK_BYTES)
                sent += len(chunk)
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            if not self._complete:
                await self._changed.wait()
        await self._send({"type": "http.response.body", "body": b""})
