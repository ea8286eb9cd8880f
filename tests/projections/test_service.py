"""The whole process in one piece: topics in, answers out, ready when it is."""

from __future__ import annotations

import base64
import os
import uuid
from pathlib import Path

import httpx
import orjson
import pytest

from services.projections.main import Service
from shared.access.tokens import issue, make_issuer
from shared.eventlog.mapper import parse
from shared.ids import uuid7
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.settings import Settings
from tests.projections.stage import PARTITIONS, Wire
from tests.projections.test_rebuild import Stage
from tests.shared.topic import read_topic, until
from tests.support.events import History, customer_registered
from tests.support.servers import PostgresUrl

pytestmark = pytest.mark.server


def settings_for(folder: Path, kafka: str, mongo_url: str, keyring_url: str, access_url: str = "") -> Settings:
    kek = folder / "kek.json"
    kek.write_bytes(orjson.dumps({"current": 1, "keys": {"1": base64.b64encode(os.urandom(32)).decode()}}))
    return Settings(
        service="projections",
        kafka=kafka,
        mongo_url=mongo_url,
        mongo_database=f"views_{uuid.uuid4().hex[:8]}",
        keyring_url=keyring_url,
        access_url=access_url,
        kek_file=kek,
        jwks_file=make_issuer(folder),
        partitions=PARTITIONS,
    )


async def test_the_service_makes_its_topics_follows_them_and_answers(
    kafka: str, mongo_url: str, keyring_url: str, postgres_url: PostgresUrl, tmp_path: Path
) -> None:
    stage = Stage(kafka)
    settings = settings_for(tmp_path, kafka, mongo_url, keyring_url, access_url=postgres_url("access"))
    access_topic = f"access.{uuid.uuid4().hex[:8]}"
    service = Service(settings, topics=stage.topics, access_topic=access_topic)
    headers = {"Authorization": f"Bearer {issue(tmp_path, 'u1', ['manager', 'operator'])}"}
    transport = httpx.ASGITransport(app=service.app)
    customer = uuid7()
    async with (
        service.app.router.lifespan_context(service.app),
        httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client,
    ):
        await until(lambda: service.subscription.ready, "the consumer runs")
        await stage.producer.start()
        keys = Keyring(settings.keyring_url, KeyEncryptionKeys.read(tmp_path / "kek.json"))
        keys.open()
        wire = Wire(keys, stage.topics)
        await stage.publish(wire.put(History().tell(customer, customer_registered("Ada Example")).events))
        await stage.producer.stop()
        keys.close()

        async def known() -> bool:
            return (await client.get(f"/customers/{customer}")).status_code == 200

        await until(known, "the customer can be read")

        async def all_published() -> bool:
            lag = (await client.get("/health/ready")).json()["lag"]
            return bool(lag.get(f"relay {access_topic}") == 0)

        await until(all_published, "the access log is published")
        ready = (await client.get("/health/ready")).json()
        assert ready["ok"] is True
        assert ready["parked"] == 0
        assert set(ready["checks"]) == {"mongo", "keyring", "consumer", "access", "relay"}
        published = [parse(record.value or b"") for record in await read_topic(kafka, access_topic)]
        assert {(event.type, event.customer) for event in published} == {("access.personal_data_read", customer)}
        assert (await client.post("/ops/rebuild", json={"views": "all"})).status_code == 202
        await service.rebuild.wait()
        (build,) = (await client.get("/ops/rebuild")).json()
        assert (build["state"], build["applied"]) == ("done", 1)
        found = (await client.get("/directory", params={"name": "ada"})).json()["items"]
        assert [item["identity"] for item in found] == [customer]
        assert (await client.post("/ops/rebuild", json={"views": ["none"]})).status_code == 422
        metrics = (await client.get("/metrics")).text
        assert 'custlog_view_fold_seconds_count{view="customer"}' in metrics
        await service.mongo.client.drop_database(settings.mongo_database)


async def test_every_instance_reads_again_when_the_views_were_wiped_and_nothing_arrives(
    kafka: str, mongo_url: str, keyring_url: str, tmp_path: Path
) -> None:
    stage = Stage(kafka)
    settings = settings_for(tmp_path, kafka, mongo_url, keyring_url)
    one, two = Service(settings, topics=stage.topics), Service(settings, topics=stage.topics)
    database = one.store.database

    async def complete() -> bool:
        named = await database["aliases"].find_one({"_id": "customer"})
        return named is not None and await database[named["active"]].count_documents({}) == 30

    async with (
        one.app.router.lifespan_context(one.app),
        two.app.router.lifespan_context(two.app),
    ):
        await until(lambda: bool(one.subscription.lag() and two.subscription.lag()), "both have partitions", 60)
        await stage.producer.start()
        keys = Keyring(settings.keyring_url, KeyEncryptionKeys.read(tmp_path / "kek.json"))
        keys.open()
        told = History()
        for _ in range(30):
            told.tell(uuid7(), customer_registered())
        await stage.publish(Wire(keys, stage.topics).put(told.events))
        await stage.producer.stop()
        keys.close()
        await until(complete, "all customers are in the view")
        await one.mongo.client.drop_database(settings.mongo_database)
        await until(complete, "all customers are in the view again", 30)
        await one.mongo.client.drop_database(settings.mongo_database)
