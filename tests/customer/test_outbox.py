"""Answers that wait for a client which first sends everything."""

import asyncio
from typing import Any

import pytest

from services.customer.intake.outbox import MEMORY_BYTES, Outbox

HEAD: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


class Client:
    """Takes what is sent, once it is willing to."""

    def __init__(self) -> None:
        self.willing = asyncio.Event()
        self.messages: list[dict[str, Any]] = []

    async def send(self, message: Any) -> None:
        await self.willing.wait()
        self.messages.append(message)

    async def got(self, body: bytes) -> None:
        while self.body != body:  # noqa: ASYNC110 - one turn of the loop at a time
            await asyncio.sleep(0)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def test_a_client_that_reads_last_gets_everything_in_order() -> None:
    client = Client()
    parts = [bytes([65 + n % 26]) * 10_000 for n in range(3 * MEMORY_BYTES // 10_000)]
    async with Outbox(client.send, HEAD) as outbox:
        for part in parts:
            outbox.put(part)
            await asyncio.sleep(0)
        client.willing.set()

    assert client.messages[0] == HEAD
    assert client.body == b"".join(parts)
    assert not client.messages[-1].get("more_body")


async def test_parts_go_out_while_others_are_made() -> None:
    client = Client()
    client.willing.set()
    async with Outbox(client.send, HEAD) as outbox:
        outbox.put(b"a")
        async with asyncio.timeout(5):
            await client.got(b"a")
        outbox.put(b"b")

    assert client.body == b"ab"


async def test_nothing_is_sent_when_it_fails_before_the_first_part() -> None:
    client = Client()
    with pytest.raises(ValueError, match="broken"):
        async with Outbox(client.send, HEAD):
            raise ValueError("broken")

    assert client.messages == []


async def test_a_failed_answer_is_not_ended_as_if_it_were_whole() -> None:
    client = Client()
    client.willing.set()
    with pytest.raises(ValueError, match="broken"):  # noqa: PT012 - the failure comes after the first part
        async with Outbox(client.send, HEAD) as outbox:
            outbox.put(b"a")
            await client.got(b"a")
            raise ValueError("broken")

    assert all(message.get("more_body", True) for message in client.messages)
