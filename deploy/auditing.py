"""What an auditor asks of the logs' databases: are they what was signed, and what proves it for one customer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.client import running_state
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import History, database_url
from shared.audit import bundle
from shared.audit.checkpoint import Checkpoint
from shared.audit.inspection import Inspection, Verdict
from shared.audit.keys import AuditKeys
from shared.audit.note import BadNote, Note, VerifierKey
from shared.audit.snapshot import NotSigned, Snapshot, snapshot
from shared.eventlog.mapper import parse
from shared.events.catalogue import LOGS

TRIES = 5

Keys = Callable[[set[str]], Mapping[str, bytes] | None]
"""Subjects -> their data keys that a bundle discloses; None for a bundle that discloses none."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures are believed: the keys of each log, and the witnesses."""

    logs: dict[str, tuple[VerifierKey, ...]]
    witnesses: tuple[VerifierKey, ...]

    @classmethod
    def of_system(cls, folder: Path) -> Trust:
        """What the operator's own folder of audit keys says. Raises BadKey or OSError."""
        keys = AuditKeys.read(folder)
        return cls({log: tuple(keys.verifiers(log)) for log in LOGS}, keys.witnesses)

    @classmethod
    def of_auditor(cls, keys: Sequence[str], witnesses: Sequence[str]) -> Trust:
        """What an auditor brings along. Raises BadKey."""
        logs: dict[str, tuple[VerifierKey, ...]] = {}
        for key in map(VerifierKey.parse, keys):
            log = log_of(key.name)
            logs[log] = (*logs.get(log, ()), key)
        return cls(logs, tuple(map(VerifierKey.parse, witnesses)))


def log_of(origin: str) -> str:
    """The log that an origin names: <installation>/<log>, or the same with a generation behind. EmbeddedError."""
    named = re.fullmatch(rf".+/({'|'.join(LOGS)})(?:/[1-9][0-9]*)?", origin)
    if named is None:
        raise EmbeddedError(f"{origin!r} is no origin of a log; it ends with one of {', '.join(LOGS)}.")
    return named[1]


def read_checkpoint(file: Path) -> tuple[str, bytes]:
    """The log of a checkpoint that somebody kept, and its note. EmbeddedError if the file holds none."""
    try:
        note = file.read_bytes()
        return log_of(Checkpoint.parse(Note.parse(note).text).origin), note
    except OSError as error:
        raise EmbeddedError(f"The checkpoint {file} cannot be read: {error.strerror}.") from None
    except (BadNote, ValueError) as error:
        raise EmbeddedError(f"{file} holds no checkpoint: {error}.") from None


class Auditing:
    """The audit trail of a system that is up."""

    def __init__(self, home: Home) -> None:
        """EmbeddedError if the system is not up."""
        self._postgres = running_state(home).servers["postgres"].url

    @contextmanager
    def snapshot(self, log: str, witnesses: Sequence[VerifierKey] = ()) -> Iterator[Snapshot]:
        """A log at its newest checkpoint. EmbeddedError before the first one."""
        try:
            with snapshot(database_url(self._postgres, log), log, witnesses=witnesses) as seen:
                yield seen
        except NotSigned as error:
            raise EmbeddedError(f"{error}.") from None

    def verify(self, log: str, trust: Trust, since: bytes | None = None) -> Verdict:
        """Reads the whole log up to its newest checkpoint. EmbeddedError if no key of the log is known."""
        keys = trust.logs.get(log)
        if not keys:
            raise EmbeddedError(f"No key of the {log} log was given: add --key with its verifier key.")
        with self.snapshot(log, trust.witnesses) as seen:
            return Inspection(keys, trust.witnesses).advance(seen, since)

    def prove(
        self, history: History, customer: str, trust: Trust, *, disclose: bool, since: Mapping[str, bytes]
    ) -> bytes:
        """The bundle about a customer: every log at a checkpoint of its own, witnessed where a witness answers.

        With `disclose` the data keys of the subjects are in it. EmbeddedError if customers are merged all the time.
        """
        keys: Keys = history.keyring.disclose if disclose else lambda _: None
        return bundle.pack(self.files(history, customer, trust, keys, since))

    def files(
        self, history: History, customer: str, trust: Trust, keys: Keys, since: Mapping[str, bytes] | None = None
    ) -> dict[str, bytes]:
        """The files of that bundle by name. `keys` gives those to be disclosed for the subjects in it, or None."""
        for _ in range(TRIES):
            members = history.members(customer)
            former = history.former(customer, members)
            with ExitStack() as stack:
                logs = {log: stack.enter_context(self.snapshot(log, trust.witnesses)) for log in trust.logs}
                disclosed = keys(_subjects(members, logs))
                try:
                    return bundle.files(customer, members, logs, keys=disclosed, since=since, former=former)
                except bundle.Unprovable:
                    continue
        raise EmbeddedError(f"Customer {customer} is being merged and separated all the time; try again.")


def _subjects(members: Sequence[str], logs: Mapping[str, Snapshot]) -> set[str]:
    """Whose personal data the records about these customers hold."""
    return {
        subject for seen in logs.values() for _, stored in seen.records(members) for subject in parse(stored).sealed
    }
