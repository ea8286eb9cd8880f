"""What every channel promises, and what each does when its way out is blocked."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from services.notifications.channels.channel import Channel, Failure, Message, Receipt
from services.notifications.channels.spool import TAKEN, Spool
from shared.ids import uuid7

NOBODY = 65534


@dataclass
class Line:
    """A channel, and the messages that its receiver has seen."""

    channel: Channel
    seen: Callable[[], list[dict[str, str]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture(params=["spool"])
def line(request: pytest.FixtureRequest, folder: Path) -> Line:
    """Every channel there is."""
    assert request.param == "spool"
    spool = Spool(folder)
    spool.prepare()
    return Line(spool, lambda: [orjson.loads(file.read_bytes()) for file in folder.glob("*.json")])


def a_message() -> Message:
    return Message(uuid7(), uuid7(), uuid7(), "birthday")


async def test_a_message_reaches_the_receiver(line: Line) -> None:
    message = a_message()

    assert await line.channel.send(message) == Receipt(message.id)

    (seen,) = line.seen()
    assert (seen["id"], seen["reminder"], seen["customer"]) == (message.id, message.reminder, message.customer)


async def test_a_message_sent_again_is_seen_once(line: Line) -> None:
    message = a_message()

    assert [await line.channel.send(message) for _ in range(3)] == [Receipt(message.id)] * 3

    assert len(line.seen()) == 1


async def test_a_message_sent_by_many_at_once_is_seen_once(line: Line) -> None:
    message = a_message()

    answers = await asyncio.gather(*(line.channel.send(message) for _ in range(20)))

    assert set(answers) == {Receipt(message.id)}
    assert len(line.seen()) == 1


async def test_different_messages_are_all_seen(line: Line) -> None:
    await asyncio.gather(*(line.channel.send(a_message()) for _ in range(20)))

    assert len(line.seen()) == 20


async def test_the_name_of_a_channel_is_a_code(line: Line) -> None:
    assert line.channel.name.isidentifier()


async def test_a_message_that_was_picked_up_is_not_written_again(folder: Path) -> None:
    spool, message = Spool(folder), a_message()
    spool.prepare()
    await spool.send(message)
    (folder / f"{message.id}.json").rename(folder / TAKEN / f"{message.id}.json")

    assert await spool.send(message) == Receipt(message.id)

    assert files_in(folder) == []


async def test_a_full_disk_is_a_failure_that_leaves_nothing(folder: Path) -> None:
    spool, message = Spool(folder), a_message()
    spool.prepare()

    with file_size_limit(10):
        assert await spool.send(message) == Failure("no_space")

    assert files_in(folder) == []
    assert await spool.send(message) == Receipt(message.id)


async def test_a_folder_that_may_not_be_written_is_a_failure(folder: Path) -> None:
    spool, message = Spool(folder), a_message()
    spool.prepare()

    with read_only(folder):
        assert await spool.send(message) == Failure("not_writable")

    assert await spool.send(message) == Receipt(message.id)


async def test_a_missing_folder_is_a_failure(folder: Path) -> None:
    spool = Spool(folder)
    spool.prepare()
    shutil.rmtree(folder)

    assert await spool.send(a_message()) == Failure("no_folder")


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow over `size` bytes: a write fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be created in the folder, even where the tests run as root."""
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


def files_in(folder: Path) -> list[Path]:
    """Everything the receiver could stumble over, drafts included."""
    return [file for file in folder.iterdir() if file.is_file()]
