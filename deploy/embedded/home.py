"""Where an embedded system keeps what: one data folder, and beside it, apart from it, the keys and the witness."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.embedded.errors import EmbeddedError
from deploy.witness.identity import make_witness
from shared.access.tokens import make_issuer
from shared.atomic_file import replace_json
from shared.audit import keys as audit
from shared.audit.note import BadKey
from shared.privacy.kek import new_content

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Running:
    """One server or service of a running system. `url` may hold a password."""

    name: str
    pid: int | None
    port: int
    url: str
    log: str
    restarts: int = 0


@dataclass(frozen=True)
class State:
    """What the supervisor says of itself in `state.json`. `status`: starting, ready, stopping, stopped or failed."""

    status: str
    pid: int
    step: str = ""
    error: str = ""
    servers: dict[str, Running] = field(default_factory=dict)
    services: dict[str, Running] = field(default_factory=dict)


@dataclass(frozen=True)
class Home:
    """The folders of one system. Two systems with different homes do not disturb each other."""

    data: Path

    @classmethod
    def at(cls, folder: Path | None = None) -> "Home":
        """The given folder, else CUSTLOG_HOME, else `.custlog` in the project."""
        chosen = folder or Path(os.environ.get("CUSTLOG_HOME") or PROJECT / ".custlog")
        return cls(chosen.expanduser().absolute())

    @property
    def keys(self) -> Path:
        """Outside the data folder: a copy of the data alone opens no personal field."""
        return self.data.with_name(f"{self.data.name}-keys")

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def kek_file(self) -> Path:
        return self.keys / "kek.json"

    @property
    def jwks_file(self) -> Path:
        return self.keys / "jwks.json"

    @property
    def audit_keys(self) -> Path:
        """What checkpoints of the logs are signed with, see shared/audit/keys.py."""
        return self.keys / "audit"

    @property
    def erasures(self) -> Path:
        """The ledger of erasures: no backup of the data holds it, and none that is restored undoes it."""
        return self.keys / "erasures"

    @property
    def witness(self) -> Path:
        """The witness's own key and memory: neither with the data nor with the logs' keys."""
        return self.data.with_name(f"{self.data.name}-witness")

    @property
    def spool(self) -> Path:
        """Outgoing messages."""
        return self.data / "spool"

    def prepare(self) -> None:
        """Make the folders and, for a new system, its keys. EmbeddedError if data is there without its keys."""
        try:
            for folder in (self.data, self.keys, self.logs, self.spool):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.kek_file.exists():
                self._make_key()
            make_issuer(self.keys)
            self._make_audit_keys()
        except BadKey as wrong:
            raise EmbeddedError(f"The audit keys cannot be used: {wrong}.") from None
        except OSError as error:
            raise EmbeddedError(
                f"The folder {self.data} cannot be used: {error.strerror}; choose another --home."
            ) from None

    def _make_key(self) -> None:
        if (self.data / "postgres" / "data").exists():
            raise EmbeddedError(
                f"The keys of {self.data} are missing from {self.keys}: put them back,"
                " or remove the data to start anew."
            )
        replace_json(self.kek_file, new_content())

    def _make_audit_keys(self) -> None:
        if self.witness.exists() and not (self.audit_keys / "origin").exists():
            raise EmbeddedError(
                f"The audit keys of {self.data} are missing from {self.audit_keys}: put them back, or remove"
                f" {self.witness} to let the logs be signed under new names."
            )
        audit.make(self.audit_keys)
        installation = audit.AuditKeys.read(self.audit_keys).installation
        audit.add_witness(self.audit_keys, make_witness(self.witness, f"{installation}/witness"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held by the one supervisor of this home; EmbeddedError if there is one already."""
        with (self.data / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EmbeddedError(f"The system in {self.data} is running already; see custlog status.") from None
            yield

    def is_locked(self) -> bool:
        """Whether a supervisor runs on this home now."""
        try:
            with (self.data / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def write_state(self, state: State) -> None:
        replace_json(self.data / "state.json", asdict(state))

    def read_state(self) -> State | None:
        """What the last supervisor said; None if there was none. It may be gone: see `is_locked`."""
        try:
            content = json.loads((self.data / "state.json").read_text())
        except FileNotFoundError:
            return None
        for kind in ("servers", "services"):
            content[kind] = {name: Running(**entry) for name, entry in content[kind].items()}
        return State(**content)
