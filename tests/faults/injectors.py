"""How each kind of fault is done to a running system, and the evidence that it truly happened.

Every injector lasts as long as its fault, leaves the system as it must heal by itself, and answers what was seen. One
that cannot be done here raises Impossible. Being cancelled, it takes back what it holds.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import httpx
import psutil
import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from eventsourcing.persistence import PersistenceError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.client import connect
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.postgres import PostgresServer
from deploy.embedded.server import Server
from shared.errors import Unavailable
from shared.ids import uuid7
from tests.faults import forged, unknown
from tests.faults.backup import Backups
from tests.faults.flow import ModeName
from tests.faults.folder import RunFolder
from tests.faults.plan import Fault
from tests.faults.stand import Stand

Evidence: TypeAlias = dict[str, Any]
AWAY = (KafkaError, PyMongoError, psycopg.Error, PersistenceError, Unavailable)
"""How a server that another fault keeps away answers an injector: its own fault cannot be done now."""
BACK_SECONDS = 90.0
"""So long a killed process may take until the supervisor has started it again."""
BEHIND_SECONDS = 2.0
_POLL = 0.05


class Impossible(Exception):
    """The fault cannot be done on this machine, or nothing gave it the occasion. Fate: noted as skipped."""


@dataclass
class Scene:
    """What an injector works on."""

    stand: Stand
    folder: RunFolder
    backups: Backups
    rng: random.Random


Injector: TypeAlias = Callable[[Scene, Fault], Awaitable[Evidence]]


async def kill(scene: Scene, fault: Fault) -> Evidence:
    """Signal 9."""
    return await _signalled(scene, fault.target, signal.SIGKILL)


async def restart(scene: Scene, fault: Fault) -> Evidence:
    """A clean end, as a deployment makes it."""
    return await _signalled(scene, fault.target, clean_end(fault.target))


async def stop(scene: Scene, fault: Fault) -> Evidence:
    """The process, with its children, stands still and goes on later as if nothing had been."""
    async with _stopped(scene.stand.pid(fault.target)) as evidence:
        await asyncio.sleep(fault.seconds)
    return evidence


async def witness_away(scene: Scene, fault: Fault) -> Evidence:
    """The witness stands still, and is then killed: it has to go on from what it wrote, and to see what it missed."""
    async with _stopped(scene.stand.pid(fault.target)):
        await asyncio.sleep(fault.seconds)
    return await _signalled(scene, fault.target, signal.SIGKILL)


async def crash(scene: Scene, fault: Fault) -> Evidence:
    """The next process that comes by the crash point is gone in that instant."""
    armed = scene.stand.arm(fault.target)
    try:
        if (provoke := _PROVOKED.get(fault.target.partition(".")[0])) is not None:
            await provoke(scene)
        await _until(lambda: not armed.exists(), fault.seconds)
    finally:
        crashed = not armed.exists()
        armed.unlink(missing_ok=True)
    if not crashed:
        raise Impossible("nobody came by")
    return {"crashed": fault.target}


async def link(scene: Scene, fault: Fault) -> Evidence:
    """One of the ways between the services and the servers behaves as the kind of the fault says."""
    proxies = scene.stand.proxies
    await proxies.set(fault.target, cast("ModeName", fault.kind), **fault.details)
    try:
        await asyncio.sleep(fault.seconds)
        touched = await proxies.touched(fault.target)
    finally:
        await proxies.set(fault.target, "pass")
    if not touched.connections and not touched.bytes:
        raise Impossible("nothing went that way")
    return {"connections": touched.connections, "bytes": touched.bytes}


async def disk_full(scene: Scene, fault: Fault) -> Evidence:
    """Not a byte is left where a server keeps its data."""
    disk = scene.stand.disk(fault.target)
    if not disk.available:
        raise Impossible("no file system of its own could be mounted")
    taken = disk.fill()
    if not taken:
        raise Impossible("it was full already")
    try:
        await asyncio.sleep(fault.seconds)
        free = disk.left()
    finally:
        disk.free()
    return {"bytes_taken": taken, "bytes_left": free}


async def clock_jump(scene: Scene, fault: Fault) -> Evidence:
    """The wall clock of one service jumps, and back again."""
    if not scene.stand.clocks:
        raise Impossible("libfaketime is not installed")
    scene.stand.clock_offset(fault.target, fault.details["offset"])
    try:
        await asyncio.sleep(fault.seconds)
    finally:
        scene.stand.clock_offset(fault.target, 0.0)
    return {"offset": fault.details["offset"]}


async def second_instance(scene: Scene, fault: Fault) -> Evidence:
    """A second process of the service: two relays want to lead, two consumers share the partitions."""
    async with _second(scene.stand, fault.target) as pid:
        await asyncio.sleep(fault.seconds)
        return {"pid": pid, "lived": psutil.pid_exists(pid)}


async def rebalances(scene: Scene, fault: Fault) -> Evidence:
    """A second consumer comes and goes."""
    turns, end = 0, scene.folder.now() + fault.seconds
    while scene.folder.now() < end:
        async with _second(scene.stand, fault.target):
            await asyncio.sleep(2.5)
        turns += 1
    return {"turns": turns}


async def zombie(scene: Scene, fault: Fault) -> Evidence:
    """A leader stands still and loses its connections, another leads, and the old one wakes up believing it leads."""
    stand, way = scene.stand, f"postgres-{fault.target}"
    async with _stopped(stand.pid(fault.target)) as evidence:
        await stand.proxies.set(way, "reset")
        await asyncio.sleep(0.5)
        await stand.proxies.set(way, "pass")
        async with _second(stand, fault.target) as pid:
            await asyncio.sleep(fault.seconds * 0.7)
            with suppress(ProcessLookupError):  # another fault may have ended it
                os.kill(evidence["pid"], signal.SIGCONT)
            await asyncio.sleep(fault.seconds * 0.3)
    return {**evidence, "second": pid}


async def garbage(scene: Scene, fault: Fault) -> Evidence:
    """Records that no relay published, on a topic: bytes that are nothing, or what would come next in a partition."""
    address = _address(scene.stand, "kafka")
    strange = forged.strange(scene.rng)
    if scene.rng.random() < 0.7 and (last := await forged.last_of(address, fault.target, scene.rng)):
        strange = forged.following(last, scene.rng)
    producer = AIOKafkaProducer(bootstrap_servers=address, request_timeout_ms=10_000)
    try:
        await producer.start()
        told = await producer.send_and_wait(
            fault.target, strange.value, key=strange.key, partition=strange.partition, headers=strange.headers
        )
    finally:
        await producer.stop()
    return {"topic": told.topic, "partition": told.partition, "offset": told.offset, "forged": strange.name}


async def unknown_version(scene: Scene, fault: Fault) -> Evidence:
    """A newer build has written an event that this one does not know, and some time later one that it knows."""
    home, customer = scene.stand.home, uuid7()
    position = await asyncio.to_thread(unknown.append, home, fault.target, unknown.UNKNOWN, customer)
    # By then the first one has most likely been read, so the second one comes in another batch.
    await asyncio.sleep(BEHIND_SECONDS)
    with suppress(*AWAY):
        await asyncio.to_thread(unknown.append, home, fault.target, unknown.KNOWN, customer, 1)
    return {"log": fault.target, "customer": customer, "position": position}


async def mongo_wiped(scene: Scene, fault: Fault) -> Evidence:
    """All views are gone."""

    def wipe() -> int:
        url = _address(scene.stand, "mongo")
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=20_000) as client:
            names = client["custlog"].list_collection_names()
            client.drop_database("custlog")
        return len(names)

    if not (collections := await asyncio.to_thread(wipe)):
        raise Impossible("it was empty already")
    return {"collections": collections}


async def topic_deleted(scene: Scene, fault: Fault) -> Evidence:
    """A topic is gone with all its records."""
    admin = AIOKafkaAdminClient(bootstrap_servers=_address(scene.stand, "kafka"), request_timeout_ms=10_000)
    await admin.start()
    try:
        await admin.delete_topics([fault.target])
    finally:
        await admin.close()
    return {"topic": fault.target}


async def backup(scene: Scene, fault: Fault) -> Evidence:
    """A backup is made while commands go on. No fault by itself: the older state that `restore` brings back."""
    return {"heads": await scene.backups.make(scene.folder.now())}


async def restore(scene: Scene, fault: Fault) -> Evidence:
    """The system is stopped and started again from its backup; what was answered in between is lost by definition."""
    evidence = scene.backups.restore(scene.stand)
    return {**evidence, "restored_at": scene.folder.now()}


def clean_end(process: str) -> signal.Signals:
    """The signal that its supervisor would end a server or service with."""
    return PostgresServer.stop_signal if process == "postgres" else Server.stop_signal


async def _redrive(scene: Scene) -> None:
    async with connect(scene.stand.home, "load-operator", "operator") as operator:
        for service in ("identity", "notifications", "projections"):
            await _tried(operator.send("POST", service, "/ops/redrive", {}))


async def _rebuild(scene: Scene) -> None:
    async with connect(scene.stand.home, "load-operator", "operator") as operator:
        await _tried(operator.send("POST", "projections", "/ops/rebuild", {"views": "all"}))


_PROVOKED: Mapping[str, Callable[[Scene], Awaitable[None]]] = {"redrive": _redrive, "rebuild": _rebuild}
"""Crash points that no load comes by -> what leads there."""

INJECTORS: Mapping[str, Injector] = {
    "kill": kill,
    "restart": restart,
    "stop": stop,
    "witness_away": witness_away,
    "crash": crash,
    **dict.fromkeys(("latency", "throttle", "black_hole", "reset", "half_close"), link),
    "disk_full": disk_full,
    "clock_jump": clock_jump,
    "second_instance": second_instance,
    "rebalances": rebalances,
    "zombie": zombie,
    "garbage": garbage,
    "unknown_version": unknown_version,
    "mongo_wiped": mongo_wiped,
    "topic_deleted": topic_deleted,
    "backup": backup,
    "restore": restore,
}


def _address(stand: Stand, server: str) -> str:
    state = stand.home.read_state()
    if state is None:
        raise Impossible("the system is down")
    return state.servers[server].url


async def _tried(asking: Awaitable[Any]) -> None:
    # The process may be gone before it answers: that is what was wanted.
    with suppress(EmbeddedError, httpx.HTTPError, OSError):
        await asking


async def _signalled(scene: Scene, target: str, number: signal.Signals) -> Evidence:
    before = scene.stand.pid(target)
    began = scene.folder.now()
    try:
        os.kill(before, number)
    except ProcessLookupError:
        raise Impossible("the process was just gone") from None
    await _until(lambda: _is_another(scene.stand, target, before), BACK_SECONDS)
    after = scene.stand.pid(target)
    if after == before:
        raise RuntimeError(f"{target} was not started again within {BACK_SECONDS:.0f} s")
    return {"before": before, "after": after, "seconds": round(scene.folder.now() - began, 2)}


def _is_another(stand: Stand, target: str, before: int) -> bool:
    try:
        return stand.pid(target) != before
    except (KeyError, EmbeddedError):
        return False


@asynccontextmanager
async def _stopped(pid: int) -> AsyncIterator[Evidence]:
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGSTOP)
    except psutil.NoSuchProcess:
        raise Impossible("the process was just gone") from None
    try:
        # The signal takes effect when the kernel comes by.
        await _until(lambda: family[0].status() == psutil.STATUS_STOPPED, 5)
        yield {"pid": pid, "status": family[0].status(), "processes": len(family)}
    finally:
        for process in family:
            if process.is_running():
                process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def _second(stand: Stand, service: str) -> AsyncIterator[int]:
    extra = stand.extra(service)
    extra.launch()
    try:
        yield extra.pid or 0
    finally:
        extra.ask_to_stop()
        await _until(lambda: not extra.alive(), 12)
        extra.kill()


async def _until(met: Callable[[], bool], seconds: float) -> None:
    """Waits until it is so, or until the time is over: the caller looks which."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not met():  # noqa: ASYNC110 - it is another process that changes
                await asyncio.sleep(_POLL)
