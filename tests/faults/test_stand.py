"""The system that the harness breaks works as long as nothing is broken, and again afterwards."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import httpx
import pytest

from deploy.client import Client, caught_up, connect
from tests.faults.stand import Stand

pytestmark = [pytest.mark.server, pytest.mark.slow]

BODY = {"kind": "person", "source": "desk", "birth_date": "1980-01-02"}


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with Stand(tmp_path_factory.mktemp("stand"), seed=1) as stand:
        stand.start()
        yield stand


async def register(client: Client, name: str) -> str:
    answer = await client.send("POST", "customer", "/customers", {**BODY, "name": name})
    customer: str = answer.json()["id"]
    return customer


async def seen(client: Client, customer: str) -> bool:
    answer = await client.http.get(client.url("projections", f"/customers/{customer}"), headers=client.headers())
    return answer.status_code == httpx.codes.OK


async def until_seen(client: Client, customer: str) -> None:
    async with asyncio.timeout(60):
        while not await seen(client, customer):  # noqa: ASYNC110 - another process is watched
            await asyncio.sleep(0.1)


async def test_an_event_arrives_after_kafka_was_a_black_hole(stand: Stand) -> None:
    async with connect(stand.home, "u1", "admin", "sales") as client:
        await until_seen(client, await register(client, "Ada Before"))
        await stand.proxies.set("kafka", "black_hole")

        customer = await register(client, "Ada Within")
        await asyncio.sleep(3)

        assert not await seen(client, customer)
        assert (await stand.proxies.touched("kafka")).connections
        await stand.proxies.set("kafka", "pass")
        await until_seen(client, customer)


async def test_every_link_is_used(stand: Stand) -> None:
    for link in stand.proxies.links.links:
        await stand.proxies.set(link, "pass")
    async with connect(stand.home, "u1", "admin", "sales") as client:
        await until_seen(client, await register(client, "Ada Everywhere"))
        await caught_up(client)

    touched = {link: await stand.proxies.touched(link) for link in stand.proxies.links.links}

    assert all(seen.bytes for seen in touched.values()), touched


async def test_a_full_disk_refuses_commands_until_there_is_room(stand: Stand) -> None:
    disk = stand.disk("postgres")
    if not disk.available:
        pytest.skip("nothing can be mounted here")
    async with connect(stand.home, "u1", "admin", "sales") as client:
        client.http.timeout = httpx.Timeout(20)

        assert disk.fill() > 0

        assert disk.left() == 0
        disk.free()
        assert disk.left() > 0
        await until_seen(client, await register_at_last(client, "Ada Room"))


async def register_at_last(client: Client, name: str) -> str:
    deadline = time.monotonic() + 60
    body = {**BODY, "name": name}
    while time.monotonic() < deadline:
        try:
            answer = await client.http.post(
                client.url("customer", "/customers"), json=body, headers=client.headers({"Idempotency-Key": name})
            )
        except httpx.HTTPError:
            await asyncio.sleep(0.2)
            continue
        if answer.status_code == httpx.codes.CREATED:
            customer: str = answer.json()["id"]
            return customer
        await asyncio.sleep(0.2)
    raise AssertionError("the command was not taken")


async def test_the_clock_of_one_service_jumps_and_the_system_works(stand: Stand) -> None:
    if not stand.clocks:
        pytest.skip("libfaketime is not installed")
    stand.clock_offset("customer", 3600.0)
    try:
        async with connect(stand.home, "u1", "admin", "sales") as client:
            await asyncio.sleep(2.5)
            await until_seen(client, await register(client, "Ada Tomorrow"))
    finally:
        stand.clock_offset("customer", 0.0)


def test_a_second_instance_runs_beside_the_first(stand: Stand) -> None:
    extra = stand.extra("identity")
    extra.launch()
    try:
        extra.settle()
        assert extra.pid not in (None, stand.pid("identity"))
    finally:
        extra.stop()


async def test_the_whole_system_comes_back_on_the_same_data(stand: Stand) -> None:
    async with connect(stand.home, "u1", "admin", "sales") as client:
        customer = await register(client, "Ada Again")
    before = stand.pid("kafka")

    stand.stop()
    stand.start()

    assert stand.pid("kafka") != before
    assert os.getpgid(stand.pid("kafka"))
    async with connect(stand.home, "u1", "admin", "sales") as client:
        await until_seen(client, customer)
        await until_seen(client, await register(client, "Ada Once More"))
