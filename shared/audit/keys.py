"""The folder of audit keys: under which origins the logs sign, with which keys, and which witnesses are believed.

    origin            the installation's part of every origin, such as custlog/3f2a9c41
    generations.json  {"customer": 2}: logs that went on from an older backup, see `next_generation`
    <log>.pem         the log's signing key; <log>-2.pem and so on sign beside it: keys are replaced with overlap
    <log>.pub         the verifier key of each of them, one a line, for auditors and witnesses; none is ever taken out
    witnesses.pub     verifier keys of the witnesses whose cosignatures are kept, one a line; may be missing
    relay.json        {"current": 1, "keys": {"1": "<32 bytes base64>"}}: keys of the MACs of what relays publish

The folder lies outside the data folder: who can only write the data cannot sign another history of it.
"""

import fcntl
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from shared.atomic_file import replace
from shared.audit.note import BadKey, Kind, VerifierKey, is_name
from shared.audit.signer import Signer, make_key, read_key
from shared.events.catalogue import LOGS

MAC_KEY_BYTES = 32
_WITNESSES = "witnesses.pub"
_SECRET = 0o600
_PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class MacKeys:
    """Keys of message authentication codes by version: `current` makes new codes, all of them check."""

    current: int
    keys: Mapping[int, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuditKeys:
    """What the folder says. Signing keys are read when asked for: a service needs only its own log's."""

    folder: Path
    installation: str
    generations: Mapping[str, int]
    witnesses: tuple[VerifierKey, ...]
    relay: MacKeys | None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises BadKey or OSError (stop)."""
        return cls(
            folder,
            _installation(folder),
            _generations(folder),
            tuple(_verifier_keys(folder / _WITNESSES, Kind.COSIGNATURE)),
            _mac_keys(folder / "relay.json"),
        )

    def origin(self, log: str) -> str:
        """The name under which the log signs now."""
        return _origin(self.installation, log, self.generations.get(log, 1))

    def signers(self, log: str) -> list[Signer]:
        """Those that sign the log's checkpoints, the oldest first. Raises BadKey or OSError (stop)."""
        return _signers(self.folder, log, self.origin(log))

    def verifiers(self, log: str) -> list[VerifierKey]:
        """Every key that signed for the log at any time, under the origin of each time. Raises BadKey (stop)."""
        return _verifier_keys(self.folder / f"{log}.pub", Kind.NOTE)


def log_keys(folder: Path) -> list[VerifierKey]:
    """The verifier keys of every log in a folder's *.pub files, but for witnesses.pub. Raises BadKey or OSError."""
    files = sorted(file for file in folder.iterdir() if file.suffix == ".pub" and file.name != _WITNESSES)
    return [key for file in files for key in _verifier_keys(file, Kind.NOTE)]


def make(folder: Path) -> None:
    """Makes what is missing of the folder; what is there is kept. Safe to call from several processes at once.

    Raises BadKey (a file is not what it must be) or OSError.
    """
    with _locked(folder):
        if not (folder / "origin").exists():
            replace(folder / "origin", f"custlog/{secrets.token_hex(4)}\n".encode(), _PUBLIC)
        if not (folder / "relay.json").exists():
            key = b64encode(secrets.token_bytes(MAC_KEY_BYTES)).decode()
            replace(folder / "relay.json", _json({"current": 1, "keys": {"1": key}}), _SECRET)
        for log in LOGS:
            if not _key_files(folder, log):
                make_key(folder / f"{log}.pem")
            _publish(folder, log)


def next_generation(folder: Path, log: str) -> int:
    """Lets the log sign under a new origin from now on, and tells which generation that is.

    For a log that goes on from an older backup: it will grow differently from what was signed before, and that must
    not look like two histories of one log. Raises BadKey or OSError.
    """
    with _locked(folder):
        generations = _generations(folder)
        generation = generations.get(log, 1) + 1
        replace(folder / "generations.json", _json({**generations, log: generation}), _PUBLIC)
        _publish(folder, log)
    return generation


def add_witness(folder: Path, key: VerifierKey) -> None:
    """Lets the cosignatures of one more witness be kept. Raises BadKey or OSError."""
    with _locked(folder):
        file = folder / _WITNESSES
        _add_lines(file, _verifier_keys(file, Kind.COSIGNATURE), [key])


def _installation(folder: Path) -> str:
    name = (folder / "origin").read_text().strip()
    if not is_name(name):
        raise BadKey(f"{folder / 'origin'} must hold one name without spaces and +, such as custlog/3f2a9c41")
    return name


def _generations(folder: Path) -> dict[str, int]:
    file = folder / "generations.json"
    if not file.exists():
        return {}
    content = _read_json(file)
    if not all(isinstance(number, int) and number > 0 for number in content.values()):
        raise BadKey(f'{file} must tell the generation of each log, such as {{"customer": 2}}')
    return content


def _origin(installation: str, log: str, generation: int) -> str:
    return f"{installation}/{log}" if generation == 1 else f"{installation}/{log}/{generation}"


def _signers(folder: Path, log: str, origin: str) -> list[Signer]:
    files = _key_files(folder, log)
    if not files:
        raise BadKey(f"there is no key {log}.pem in {folder}: put it there, or name another folder of audit keys")
    return [Signer(origin, read_key(file)) for file in files]


def _key_files(folder: Path, log: str) -> list[Path]:
    """<log>.pem, <log>-2.pem, … in the order of their numbers."""
    named = re.compile(rf"{re.escape(log)}(?:-([1-9][0-9]*))?\.pem")
    found = [(int(name[1] or 1), file) for file in folder.iterdir() if (name := named.fullmatch(file.name))]
    return [file for _, file in sorted(found)]


def _publish(folder: Path, log: str) -> None:
    origin = _origin(_installation(folder), log, _generations(folder).get(log, 1))
    file = folder / f"{log}.pub"
    _add_lines(file, _verifier_keys(file, Kind.NOTE), [signer.key for signer in _signers(folder, log, origin)])


def _verifier_keys(file: Path, kind: Kind) -> list[VerifierKey]:
    if not file.exists():
        return []
    keys = [VerifierKey.parse(line) for line in file.read_text().splitlines() if line.strip()]
    if any(key.kind is not kind for key in keys):
        raise BadKey(f"{file} must hold verifier keys of type {kind:#04x} only")
    return keys


def _add_lines(file: Path, known: list[VerifierKey], more: Iterable[VerifierKey]) -> None:
    missing = [key for key in more if key not in known]
    if missing:
        replace(file, "".join(f"{key}\n" for key in (*known, *missing)).encode(), _PUBLIC)


def _mac_keys(file: Path) -> MacKeys | None:
    if not file.exists():
        return None
    content = _read_json(file)
    try:
        keys = {int(version): b64decode(key, validate=True) for version, key in content["keys"].items()}
        current = content["current"]
    except (KeyError, ValueError, TypeError, AttributeError):
        keys, current = {}, 0
    if not isinstance(current, int) or current not in keys or any(len(key) != MAC_KEY_BYTES for key in keys.values()):
        raise BadKey(f'{file} must be {{"current": 1, "keys": {{"1": "<{MAC_KEY_BYTES} bytes base64>"}}}}')
    return MacKeys(current, keys)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise BadKey(f"{file} must hold a JSON object")
    return content


def _json(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
