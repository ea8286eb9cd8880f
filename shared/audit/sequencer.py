"""The task of a service that grows its log's tree, has checkpoints cosigned, and tells of what was altered."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias, TypeVar

import structlog

from shared import metrics
from shared.audit.store import Discrepancy, Signed, Store
from shared.audit.witness_client import Cosigned, Prove, Refusal
from shared.log import safe_message

logger = structlog.get_logger(__name__)

R = TypeVar("R")

Alarm: TypeAlias = Callable[[str, str], None]
"""Takes the kind of an alarm and a sentence free of data. Called once for each thing that is found until it is gone."""

PASS_SECONDS = 1.0
IDLE_SECONDS = 2.0
HELD_SECONDS = 5.0
WITNESS_SECONDS = 5.0
_MAX_BACKOFF_SECONDS = 5.0


class Cosigners(Protocol):
    """Whoever cosigns checkpoints; witness_client.Witnesses is one."""

    async def submit(self, note: bytes, prove: Prove) -> Cosigned:
        """Shows the note of a checkpoint to all of them. What `prove` raises is raised."""
        ...

    async def close(self) -> None: ...


State = Literal["starting", "signing", "retrying", "held", "stopped"]


@dataclass(frozen=True, slots=True)
class SequencerStatus:
    """What the sequencer does now; reasons are free of data.

    `size` is that of the newest checkpoint that this process has seen, `passed` the time.monotonic() at which it did.
    `refused` says what a witness has refused to cosign, "" if none has.
    """

    state: State = "starting"
    reason: str = ""
    size: int = 0
    passed: float = 0.0
    refused: str = ""


class Sequencer:
    """One per log and process. Several processes may run one; they take turns.

    A pass follows a commit at once, and another one a second later at the earliest, so that under load a checkpoint is
    made every second; a backlog is worked off without pauses. Without PostgreSQL it tries again for ever. When the log
    is not what was signed it is "held": nothing is signed, it looks again every 5 s. Witnesses stop nothing.
    """

    def __init__(
        self,
        store: Store,
        *,
        witnesses: Cosigners | None = None,
        alarm: Alarm = lambda *_: None,
        seconds: float = PASS_SECONDS,
    ) -> None:
        """Takes over store and witnesses: `run` closes them. Call it inside the running loop."""
        self._store = store
        self._witnesses = witnesses
        self._alarm = alarm
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._signed_more = asyncio.Event()
        self._newest: Signed | None = None
        self._raised: dict[str, str] = {}
        self._status = SequencerStatus()
        # One for the passes, so that they end before the store is closed, and one for the witnesses.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix=f"audit-{store.log}")

    def status(self) -> SequencerStatus:
        """A snapshot; no I/O."""
        return self._status

    def wake_threadsafe(self) -> None:
        """Say, from any thread, that the log has grown."""
        # The loop may be gone by the time of the last commits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Signs until it is cancelled; then it finishes the pass in hand."""
        witnessing = asyncio.create_task(self._witness(self._witnesses)) if self._witnesses else None
        try:
            await self._sequence()
        finally:
            if witnessing is not None:
                witnessing.cancel()
                await asyncio.gather(witnessing, return_exceptions=True)
            await asyncio.to_thread(self._close)
            if self._witnesses is not None:
                await self._witnesses.close()
            self._status = replace(self._status, state="stopped", reason="asked to stop")

    async def _sequence(self) -> None:
        opened = False
        delay = 0.1
        while True:
            self._wake.clear()
            started = time.monotonic()
            try:
                if not opened:
                    await self._in_thread(self._store.open)
                    opened = True
                signed = await self._in_thread(self._store.advance)
            except Discrepancy as found:
                self._status = replace(self._status, state="held", reason=str(found))
                self._raise("log", found.kind, str(found))
                await asyncio.sleep(HELD_SECONDS)
                continue
            except Exception as error:  # noqa: BLE001 - whatever fails, what is in the log must be signed in the end
                self._status = replace(self._status, state="retrying", reason=type(error).__name__)
                said = f"{type(error).__name__}: {safe_message(error)}"
                logger.warning("audit_retrying", log=self._store.log, error=said, retry_in=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _MAX_BACKOFF_SECONDS)
                continue
            delay = 0.1
            self._tell(signed)
            if not signed.more:
                await asyncio.sleep(started + self._seconds - time.monotonic())
                await _wait(self._wake, IDLE_SECONDS)

    def _tell(self, signed: Signed) -> None:
        size = signed.checkpoint.size
        self._raised.pop("log", None)
        self._status = replace(self._status, state="signing", reason="", size=size, passed=time.monotonic())
        metrics.AUDIT_SIZE.labels(self._store.log).set(size)
        if self._newest is None or self._newest.checkpoint != signed.checkpoint:
            self._newest = signed
            self._signed_more.set()

    async def _witness(self, witnesses: Cosigners) -> None:
        """Shows the newest checkpoint to the witnesses, again when there is a newer one or not all have answered."""
        complete = True
        while True:
            if complete:
                await self._signed_more.wait()
            else:
                await _wait(self._signed_more, WITNESS_SECONDS)
            self._signed_more.clear()
            if self._newest is None:
                continue
            try:
                complete = await self._show(self._newest, witnesses)
            except Exception as error:  # noqa: BLE001 - witnesses stop nothing
                complete = False
                said = f"{type(error).__name__}: {safe_message(error)}"
                logger.warning("witnesses_not_asked", log=self._store.log, error=said)
                await asyncio.sleep(self._seconds)

    async def _show(self, signed: Signed, witnesses: Cosigners) -> bool:
        async def prove(old_size: int) -> list[bytes]:
            return await self._in_thread(lambda: self._store.consistency(old_size, signed.checkpoint.size))

        cosigned = await witnesses.submit(signed.note, prove)
        if cosigned.note != signed.note:
            await self._in_thread(lambda: self._store.cosign(cosigned.note))
        refusals = [each for each in cosigned.refusals if not await self._overtaken(each)]
        for each in refusals:
            self._raise(f"witness {each.witness}", each.kind, each.sentence)
        for gone in {name for name in self._raised if name != "log"} - {f"witness {each.witness}" for each in refusals}:
            self._raised.pop(gone)
        self._status = replace(self._status, refused="; ".join(each.sentence for each in refusals))
        for silent in cosigned.silent:
            logger.warning("witness_silent", log=self._store.log, reason=silent)
        return not cosigned.silent

    async def _overtaken(self, refusal: Refusal) -> bool:
        """Whether a witness only holds what another process of this service has signed meanwhile."""
        if refusal.size is None or refusal.kind != "ahead":
            return False
        return refusal.size <= await self._in_thread(self._store.size)

    def _raise(self, source: str, kind: str, sentence: str) -> None:
        if self._raised.get(source) == kind:
            return
        self._raised[source] = kind
        metrics.AUDIT_ALARMS.labels(self._store.log, kind).inc()
        logger.error("audit_alarm", log=self._store.log, kind=kind, reason=sentence)
        self._alarm(kind, sentence)

    async def _in_thread(self, work: Callable[[], R]) -> R:
        return await self._loop.run_in_executor(self._threads, work)

    def _close(self) -> None:
        self._threads.shutdown()
        self._store.close()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
