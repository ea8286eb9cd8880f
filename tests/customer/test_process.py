"""The service as a process on real servers: what it takes over HTTP reaches Kafka, and a client may read late."""

import asyncio
import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from services.customer.main import TOPIC
from shared.access.tokens import issue, make_issuer
from shared.eventlog.mapper import parse
from shared.ids import uuid7
from tests.customer.desk import csv_file

pytestmark = pytest.mark.server


@pytest.fixture
def address(postgres_url: Callable[[str], str], keyring_url: str, kafka: str, tmp_path: Path) -> Iterator[str]:
    """Where a fresh process of the service listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kek = tmp_path / "kek.json"
    kek.write_bytes(orjson.dumps({"current": 1, "keys": {"1": base64.b64encode(os.urandom(32)).decode()}}))
    settings = {
        "POSTGRES_URL": postgres_url("customer"),
        "KEYRING_URL": keyring_url,
        "KAFKA": kafka,
        "KEK_FILE": str(kek),
        "JWKS_FILE": str(make_issuer(tmp_path)),
        "PORT": str(port),
        "PHONE_REGION": "AU",
    }
    environment = {**os.environ, **{f"CUSTLOG_{name}": value for name, value in settings.items()}}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "services.customer.main"], env=environment, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(30) == 0, (tmp_path / "log").read_text()[-2000:]


async def ready(client: httpx.AsyncClient) -> None:
    """Waits until the service is ready and everything it took is in Kafka."""
    deadline = time.monotonic() + 60
    state: object = None
    while time.monotonic() < deadline:
        try:
            answer = await client.get("/health/ready")
            state = answer.json()
            if answer.status_code == 200 and not any(answer.json()["lag"].values()):
                return
        except httpx.TransportError as error:
            state = error
        await asyncio.sleep(0.05)
    raise AssertionError(f"the service did not get ready: {state}")


async def test_what_is_taken_reaches_kafka(address: str, kafka: str, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {issue(tmp_path, 'importer', ['import'])}", "Content-Type": "text/csv"}
    source, count = f"s{uuid7()[-8:]}", 3000
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        await ready(client)
        # This client reads nothing before it has sent everything.
        rows = ((str(n), "Mia " + "x" * 150, "0412 345 678") for n in range(count))
        content = csv_file(rows, "external_id,name,phone")
        file = await client.post("/intake", params={"source": source}, content=content)
        await ready(client)

    assert file.status_code == 200
    sent = {orjson.loads(line).get("id") for line in file.content.splitlines()} - {None}
    assert len(sent) == count
    async with AIOKafkaConsumer(TOPIC, bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(60):
            while sent:
                record = await consumer.getone()
                sent.discard(parse(record.value).customer)
    said = (tmp_path / "log").read_text()
    assert '"route":"/intake"' in said
    assert "Mia" not in said
    assert "412345678" not in said


def test_a_process_without_its_settings_says_what_is_missing() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CUSTLOG_")}
    done = subprocess.run(
        [sys.executable, "-m", "services.customer.main"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "CUSTLOG_POSTGRES_URL" in done.stderr
