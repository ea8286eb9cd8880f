"""The one build that a process makes at a time, in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Building:
    """Runs a build, waits for it, gives it up. What a build raises is its own matter: it ends with it."""

    def __init__(self) -> None:
        self._running: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a build is being made."""
        return self._running is not None and not self._running.done()

    def begin(self, build: Coroutine[None, None, None], name: str) -> None:
        """Makes this build in the background."""
        self._running = asyncio.create_task(build, name=name)

    async def wait(self) -> None:
        """Waits for the build that is being made, if there is one."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def stop(self) -> None:
        """Gives the build up that is being made, and waits until it has ended."""
        if self._running is not None:
            self._running.cancel()
            await self.wait()
