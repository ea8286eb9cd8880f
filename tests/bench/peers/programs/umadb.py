"""UmaDB as its documentation shows it: events with the stream as a tag, one append a commit. It runs its own server."""

from __future__ import annotations

import atexit
import ctypes
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import metadata
from typing import Any, ClassVar
from uuid import uuid4

import umadb  # type: ignore[import-not-found]  # it has an environment of its own

from tests.bench.peers.programs.talk import serve
from tests.bench.peers.programs.threads import operations

START_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1


class Uma:
    most_per_second: ClassVar = {1: 15_000, 100: 1_500}

    def open(self, sample: dict[str, Any], server: str, folder: str) -> dict[str, str]:
        self._sample = json.dumps(sample, separators=(",", ":")).encode()
        port = _free_port()
        libc = ctypes.CDLL(None)
        process = subprocess.Popen(
            [server, "--listen", f"127.0.0.1:{port}", "--db-path", f"{folder}/uma.db"],
            # It must not outlive the bench, however that ends.
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - before any thread
        )
        atexit.register(_end, process)
        self._url = f"http://127.0.0.1:{port}"
        _wait_for(port, process)
        self._client = umadb.Client(self._url)
        return {"umadb": metadata.version("umadb")}

    def prepare(self, stream: str, first: int, events: int) -> list[Any]:
        del first
        return [umadb.Event("order.placed", self._sample, tags=[stream], uuid=uuid4()) for _ in range(events)]

    def append(self, prepared: list[Any]) -> None:
        self._client.append(prepared)

    def load(self, stream: str) -> int:
        query = umadb.Query([umadb.QueryItem(tags=[stream])])
        return sum(1 for found in self._client.read(query) if json.loads(bytes(found.event.data)))

    def read_all(self) -> int:
        return sum(1 for found in self._client.read() if json.loads(bytes(found.event.data)))

    @contextmanager
    def following(self, seen: Callable[[Hashable], None]) -> Iterator[None]:
        client = umadb.Client(self._url)  # its streams end when it goes
        subscription = client.subscribe(after=self._client.head())

        def follow() -> None:
            with suppress(umadb.CancelledByUserError):
                for found in subscription:
                    seen(found.position)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            subscription.cancel()
            thread.join(5)
            client.close()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        return int(listening.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
            return
        time.sleep(0.05)
    raise RuntimeError("the server of UmaDB does not answer")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    serve(operations(Uma()))
