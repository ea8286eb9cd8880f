"""The servers as containers, where a Docker daemon answers. The tests use the embedded ones where none does."""

import functools
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from deploy.embedded import ports


@functools.cache
def answers() -> bool:
    """Whether a Docker daemon answers within a second. CUSTLOG_TEST_DOCKER=no says that none is to be used."""
    if os.environ.get("CUSTLOG_TEST_DOCKER") == "no":
        return False
    host = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    if host.scheme != "unix":
        return _pings(socket.AF_INET, (host.hostname or "127.0.0.1", host.port or 2375))
    return Path(host.path).is_socket() and _pings(socket.AF_UNIX, host.path)


def _pings(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with closing(socket.socket(family, socket.SOCK_STREAM)) as daemon:
        daemon.settimeout(1)
        try:
            daemon.connect(address)
            daemon.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in daemon.recv(64)
        except OSError:
            return False


@contextmanager
def postgres() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - only where Docker is

    with PostgresContainer("postgres:18", driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def mongo() -> Iterator[str]:
    from testcontainers.community.mongodb import MongoDBAtlasLocalContainer  # noqa: PLC0415 - only where Docker is

    with MongoDBAtlasLocalContainer("mongodb/mongodb-atlas-local:8.0") as container:
        yield container.get_connection_url()


@contextmanager
def kafka() -> Iterator[str]:
    """Apache Kafka's own image. Its outside port is chosen before the start: the broker has to announce it."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - only where Docker is
    from testcontainers.core.waiting_utils import wait_for_logs  # noqa: PLC0415

    port = ports.choose()
    container = DockerContainer("apache/kafka:4.1.0").with_bind_ports(9092, port)
    for name, value in {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://localhost:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }.items():
        container = container.with_env(name, value)
    with container:
        wait_for_logs(container, "Kafka Server started", timeout=120)
        yield f"localhost:{port}"
