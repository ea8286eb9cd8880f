"""Each embedded server keeps its data and its address through stops and kills."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any, TypeVar

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import MongoClient

from deploy.embedded import ports
from deploy.embedded.kafka import KafkaServer
from deploy.embedded.mongo import MongoServer
from deploy.embedded.postgres import DATABASES, PostgresServer
from deploy.embedded.server import Server

T = TypeVar("T")
NOBODY = "Does not have a valid replica set config"
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")

pytestmark = [pytest.mark.server, pytest.mark.slow]


def write_postgres(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (id int)")
        connection.execute("INSERT INTO kept VALUES (42)")


def read_postgres(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT id FROM kept").fetchall() == [(42,)]


def write_mongo(url: str) -> None:
    with MongoClient[dict[str, Any]](url) as client, client.start_session() as session, session.start_transaction():
        client.test.kept.insert_one({"_id": 42}, session=session)


def read_mongo(url: str) -> bool:
    with MongoClient[dict[str, Any]](url) as client:
        return list(client.test.kept.find()) == [{"_id": 42}]


def write_kafka(url: str) -> None:
    async def write() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=url)
        await admin.start()
        await admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
        await admin.close()
        producer = AIOKafkaProducer(bootstrap_servers=url, transactional_id="test", acks="all")
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait("kept", b"42")
        await producer.stop()

    apart(write)


def read_kafka(url: str) -> bool:
    async def read() -> bytes:
        consumer = AIOKafkaConsumer(
            "kept", bootstrap_servers=url, auto_offset_reset="earliest", isolation_level="read_committed"
        )
        await consumer.start()
        try:
            record = await asyncio.wait_for(consumer.getone(), 30)
            return bytes(record.value)
        finally:
            await consumer.stop()

    return apart(read) == b"42"


def apart(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run in a thread of its own: this thread's event loop belongs to the test session."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(main())).result()


class Taker(ThreadingTCPServer):
    allow_reuse_address = True


@contextmanager
def taking(port: int) -> Iterator[None]:
    """Another program on the port: it hangs up on everybody."""
    with Taker(("127.0.0.1", port), BaseRequestHandler) as holder:
        thread = Thread(target=holder.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            holder.shutdown()
            thread.join()


CASES = [
    pytest.param(PostgresServer, write_postgres, read_postgres, id="postgres"),
    pytest.param(MongoServer, write_mongo, read_mongo, id="mongo"),
    pytest.param(KafkaServer, write_kafka, read_kafka, id="kafka"),
]


@pytest.mark.parametrize(("kind", "write", "read"), CASES)
def test_a_server_keeps_data_and_address_when_stopped_and_when_killed(
    tmp_path: Path, kind: type[Server], write: Callable[[str], None], read: Callable[[str], bool]
) -> None:
    server = kind(tmp_path / kind.name)
    server.prepare()
    try:
        server.start()
        address = server.url
        write(address)
        server.stop()
        server.prepare()
        server.start()
        assert read(server.url)
        server.kill()
        server.start()
        assert server.url == address
        assert read(server.url)
    finally:
        server.kill()
    assert not server.alive()


@pytest.mark.parametrize(("kind", "write", "read"), CASES)
def test_a_server_moves_with_its_data_when_its_port_was_taken(
    tmp_path: Path, kind: type[Server], write: Callable[[str], None], read: Callable[[str], bool]
) -> None:
    server = kind(tmp_path / kind.name)
    server.prepare()
    try:
        server.start()
        write(server.url)
        taken = server.port
        server.stop()
        with taking(taken):
            server.start()
            assert server.port != taken
            assert read(server.url)
    finally:
        server.kill()


@pytest.mark.parametrize(("kind", "write", "read"), CASES)
def test_a_server_takes_another_port_when_one_is_taken_between_choice_and_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Server],
    write: Callable[[str], None],
    read: Callable[[str], bool],
) -> None:
    server = kind(tmp_path / kind.name)
    server.prepare()
    choose = ports.choose
    lost = choose()
    answers = iter([lost])
    monkeypatch.setattr(ports, "choose", lambda *kept, avoid: next(answers, None) or choose(*kept, avoid=avoid))
    try:
        with taking(lost):
            server.start()
            assert server.port != lost
            write(server.url)
            assert read(server.url)
    finally:
        server.kill()


def test_postgres_has_a_database_per_service_and_admits_nobody_without_the_password(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    server.prepare()
    try:
        server.start()
        with psycopg.connect(server.url) as connection:
            found = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            shown = "SELECT current_setting('fsync'), current_setting('max_connections')"
            settings = connection.execute(shown).fetchone()
        assert found >= set(DATABASES)
        assert settings == ("on", "200")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://custlog@127.0.0.1:{server.port}/postgres").close()
    finally:
        server.kill()


def test_a_crashed_server_is_seen_as_dead_and_leaves_no_zombie(tmp_path: Path) -> None:
    server = MongoServer(tmp_path / "mongo")
    server.prepare()
    try:
        server.start()
        pid = server.pid
        assert pid is not None
        os.kill(pid, 9)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert not server.alive()
        assert not Path(f"/proc/{pid}").exists()
    finally:
        server.kill()


def test_what_is_slow_in_mongo_is_not_logged_with_the_documents_it_is_about(tmp_path: Path) -> None:
    server = MongoServer(tmp_path / "mongo")
    server.prepare()
    server.start()
    try:
        with MongoClient[dict[str, Any]](server.url) as client:
            client.test.people.insert_one({"_id": 1, "name": "Canary Xylophone"})
            slowly = {"$where": "sleep(300) || true", "name": "Canary Xylophone"}
            client.test.people.update_one(slowly, {"$set": {"name": "Canary Xylophone Junior"}})
            assert client.test.people.find_one({"_id": 1}) == {"_id": 1, "name": "Canary Xylophone Junior"}
    finally:
        server.stop()

    said = server.log.read_text(errors="replace")
    assert "Waiting for connections" in said
    assert "Xylophone" not in said


def test_a_member_that_could_not_find_itself_when_it_started_finds_itself_later(tmp_path: Path) -> None:
    class Elsewhere(MongoServer):
        """Its clients know it by another address, which leads to it once the way is open."""

        member = f"127.0.0.1:{ports.choose(None)}"

    server = Elsewhere(tmp_path / "mongo")
    server.prepare()
    server.launch()
    try:
        with _way(Elsewhere.member, lambda: server.port):
            server.settle()
        server.stop()
        server.launch()
        with MongoClient[dict[str, Any]]("127.0.0.1", server.port, directConnection=True) as client:
            _until(lambda: client.admin.command("hello").get("info") == NOBODY, "it does not know itself")
            with _way(Elsewhere.member, lambda: server.port):
                assert not server.recovered()
                _until(lambda: not server.alive(), "it ended")
                server.launch()
                _until(server.recovered, "recovered")
                assert client.admin.command("hello")["isWritablePrimary"]
    finally:
        server.kill()


@contextmanager
def _way(address: str, upstream: Callable[[], int]) -> Iterator[None]:
    """What comes to an address goes to a port."""

    class Through(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", upstream())) as other:
                back = Thread(target=_pump, args=(other, self.request), daemon=True)
                back.start()
                _pump(self.request, other)

    host, _, port = address.partition(":")
    ThreadingTCPServer.allow_reuse_address = True
    with ThreadingTCPServer((host, int(port)), Through) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65_536):
            sink.sendall(content)
        sink.shutdown(socket.SHUT_WR)


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.1)


def test_postgres_answers_a_commit_only_when_it_is_on_the_disk(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    server.prepare()
    server.start()
    try:
        with psycopg.connect(server.url) as connection:
            found = [connection.execute(f"SHOW {name}").fetchall()[0][0] for name in DURABLE]
    finally:
        server.stop()

    assert dict(zip(DURABLE, found, strict=True)) == dict.fromkeys(DURABLE, "on")
