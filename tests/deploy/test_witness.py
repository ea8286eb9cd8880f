"""The witness as a process: it forgets nothing, and signs nothing that it could forget."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.embedded import ports
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import PROJECT, Home
from deploy.embedded.witness import WitnessProcess
from deploy.witness.identity import make_witness, open_witness
from shared.audit import merkle
from shared.audit.checkpoint import Checkpoint
from shared.audit.keys import AuditKeys, add_witness, make, next_generation
from shared.audit.note import BadKey, Note, Verifier, VerifierKey
from shared.audit.signer import make_key
from shared.audit.witness import AddCheckpoint
from shared.audit.witness_client import Cosigned, Witnesses

pytestmark = pytest.mark.slow

LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(100)]
OTHERS = [*LEAVES[:4], merkle.leaf_hash(b"changed"), *LEAVES[5:]]
PATIENCE = 60.0


class Log:
    """A log that signs whatever it is told to."""

    def __init__(self, folder: Path, name: str = "customer") -> None:
        self.folder = folder
        self._name = name

    @property
    def origin(self) -> str:
        return AuditKeys.read(self.folder).origin(self._name)

    def note(self, size: int, leaves: Sequence[bytes] = LEAVES, heads: bytes = bytes(32)) -> bytes:
        text = Checkpoint(self.origin, size, merkle.root(leaves[:size]), heads).text
        signers = AuditKeys.read(self.folder).signers(self._name)
        return Note(text).signed(*(signer.sign(text) for signer in signers)).encode()

    def request(self, old: int, size: int, leaves: Sequence[bytes] = LEAVES, heads: bytes = bytes(32)) -> bytes:
        proof = merkle.consistency_path(leaves[:size], old) if old <= size else []
        return AddCheckpoint(old, tuple(proof), self.note(size, leaves, heads)).encode()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    make(tmp_path / "audit")
    make_witness(tmp_path / "witness", "witness.example")
    add_witness(tmp_path / "audit", open_witness(tmp_path / "witness").key)
    return tmp_path / "audit"


@pytest.fixture
def log(keys: Path) -> Log:
    return Log(keys)


@pytest.fixture
def process(keys: Path, tmp_path: Path) -> Iterator[WitnessProcess]:
    process = WitnessProcess(tmp_path / "witness", keys, log=tmp_path / "witness.log")
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def client(process: WitnessProcess, keys: Path) -> AsyncIterator[Witnesses]:
    client = Witnesses([process.url], AuditKeys.read(keys).witnesses, seconds=PATIENCE)
    yield client
    await client.close()


def add(process: WitnessProcess, body: bytes) -> httpx.Response:
    return httpx.post(f"{process.url}/add-checkpoint", content=body, timeout=PATIENCE, trust_env=False)


def get(process: WitnessProcess, path: str) -> httpx.Response:
    return httpx.get(f"{process.url}{path}", timeout=PATIENCE, trust_env=False)


def alarms(process: WitnessProcess) -> list[dict[str, object]]:
    return [json.loads(line) for line in (process.folder / "alarms.jsonl").read_text().splitlines()]


async def shown(client: Witnesses, log: Log, size: int, leaves: Sequence[bytes] = LEAVES) -> Cosigned:
    async def prove(old: int) -> Sequence[bytes]:
        return merkle.consistency_path(leaves[:size], old)

    return await client.submit(log.note(size, leaves), prove)


def test_a_cosignature_vouches_for_the_checkpoint_and_is_there_for_everybody(
    process: WitnessProcess, log: Log, keys: Path
) -> None:
    answer = add(process, log.request(0, 7))

    witnesses = Verifier(AuditKeys.read(keys).witnesses)
    assert answer.status_code == 200
    assert list(witnesses.open(log.note(7) + answer.content).by) == list(AuditKeys.read(keys).witnesses)
    held = get(process, f"/checkpoint/{log.origin}")
    assert held.content == log.note(7) + answer.content
    assert get(process, "/checkpoint/custlog/nobody/customer").status_code == 404
    said = get(process, "/metrics").text
    assert f'custlog_witness_size{{log="{log.origin}"}} 7.0' in said
    assert 'custlog_witness_answers_total{status="200"} 1.0' in said
    assert get(process, "/health/ready").json() == {"ok": True, "checks": {"files": "ok", "alarms": "ok"}}


def test_what_it_refuses_has_the_status_and_content_of_the_specification(process: WitnessProcess, log: Log) -> None:
    assert add(process, log.request(0, 7)).status_code == 200

    stale = add(process, log.request(3, 9))
    assert (stale.status_code, stale.content) == (409, b"7\n")
    assert stale.headers["content-type"] == "text/x.tlog.size"
    assert add(process, log.request(9, 8)).status_code == 400
    assert add(process, b"hello").status_code == 400
    assert add(process, bytes(2 * 1024 * 1024)).status_code == 413
    assert add(process, log.request(7, 9, OTHERS)).status_code == 422
    assert add(process, log.request(7, 7, OTHERS)).status_code == 409
    stranger = Log(log.folder.with_name("stranger"))
    make(stranger.folder)
    assert add(process, stranger.request(0, 7)).status_code == 404
    (stranger.folder / "origin").write_text((log.folder / "origin").read_text())
    assert add(process, stranger.request(0, 7)).status_code == 403
    assert get(process, "/add-checkpoint").status_code == 405


def test_killed_between_two_histories_it_signs_only_the_first(process: WitnessProcess, log: Log) -> None:
    assert add(process, log.request(0, 7)).status_code == 200

    process.kill()
    process.start()

    assert add(process, log.request(0, 7, OTHERS)).status_code == 409
    assert add(process, log.request(0, 9, OTHERS)).content == b"7\n"
    assert add(process, log.request(7, 9, OTHERS)).status_code == 422
    assert add(process, log.request(7, 7, heads=b"\x01" * 32)).status_code == 409
    assert add(process, log.request(7, 9)).status_code == 200
    process.stop()
    process.start()
    assert add(process, log.request(0, 9)).content == b"9\n"


def test_an_alarm_has_both_signed_notes_is_raised_once_and_outlives_a_kill(process: WitnessProcess, log: Log) -> None:
    add(process, log.request(0, 7))
    for _ in range(3):
        add(process, log.request(7, 7, OTHERS))
    process.kill()
    process.start()
    add(process, log.request(7, 7, OTHERS))

    (alarm,) = alarms(process)
    assert (alarm["kind"], alarm["log"], alarm["offered"]) == ("split", log.origin, log.note(7, OTHERS).decode())
    assert str(alarm["held"]).startswith(log.note(7).decode())
    assert get(process, "/health/ready").status_code == 503
    assert get(process, "/health/live").status_code == 200
    assert "custlog_witness_alarms 1.0" in get(process, "/metrics").text


def test_when_the_disk_is_full_it_refuses_and_forgets_nothing(process: WitnessProcess, log: Log) -> None:
    add(process, log.request(0, 7))
    assert process.pid is not None
    child = psutil.Process(process.pid)
    child.rlimit(resource.RLIMIT_FSIZE, (8, resource.RLIM_INFINITY))  # no file may grow: as full as a disk can be

    refused = add(process, log.request(7, 9))
    assert refused.status_code == 503
    assert "\u2014" not in refused.text
    assert add(process, log.request(7, 7, OTHERS)).status_code == 409
    assert "ok" not in get(process, "/health/ready").json()["checks"].values()
    assert get(process, f"/checkpoint/{log.origin}").content.startswith(log.note(7))

    child.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert add(process, log.request(7, 9, OTHERS)).status_code == 422
    assert add(process, log.request(7, 9)).status_code == 200
    assert get(process, "/health/ready").json()["checks"]["files"] == "ok"


def test_what_it_holds_cannot_be_changed_behind_its_back(process: WitnessProcess, log: Log) -> None:
    add(process, log.request(0, 7))
    (file,) = process.folder.glob("*.note")

    file.write_bytes(file.read_bytes().replace(b"\n7\n", b"\n6\n"))

    assert add(process, log.request(7, 9)).status_code == 503
    assert add(process, log.request(6, 9)).status_code == 503
    assert "damaged" in get(process, "/health/ready").json()["checks"]["files"]


def test_logs_have_histories_of_their_own_and_a_new_generation_begins_another(
    process: WitnessProcess, log: Log, keys: Path
) -> None:
    add(process, log.request(0, 7))
    assert add(process, Log(keys, "identity").request(0, 3, OTHERS)).status_code == 200

    next_generation(keys, "customer")

    assert add(process, log.request(0, 5, OTHERS)).status_code == 200


def test_while_the_key_of_a_log_is_replaced_checkpoints_are_cosigned(
    process: WitnessProcess, log: Log, keys: Path
) -> None:
    add(process, log.request(0, 7))
    make_key(keys / "customer-2.pem")
    unknown = log.request(7, 8)
    make(keys)

    assert add(process, unknown).status_code == 200
    (keys / "customer.pem").unlink()
    assert add(process, log.request(8, 9)).status_code == 200


def test_a_second_witness_on_one_folder_does_not_begin(process: WitnessProcess, keys: Path, tmp_path: Path) -> None:
    second = WitnessProcess(process.folder, keys, log=tmp_path / "second.log")
    # The folder also says which process to end first: this one shall not know of the other.
    (process.folder / "server.json").unlink()

    with pytest.raises(EmbeddedError, match=r"runs on .* already"):
        second.start()


def test_a_witness_keeps_its_name(keys: Path, tmp_path: Path) -> None:
    assert make_witness(tmp_path / "witness", "witness.example") == AuditKeys.read(keys).witnesses[0]
    with pytest.raises(BadKey, match=r"named witness\.example"):
        make_witness(tmp_path / "witness", "other.example")


async def test_the_client_brings_cosignatures_as_the_log_grows(client: Witnesses, log: Log, keys: Path) -> None:
    for size in (1, 5, 5, 64):
        cosigned = await shown(client, log, size)

        assert (cosigned.refusals, cosigned.silent) == ((), ())
        assert cosigned.note.startswith(log.note(size))
        assert Verifier(AuditKeys.read(keys).witnesses).open(cosigned.note)


async def test_a_client_that_knows_nothing_learns_the_size_held(
    client: Witnesses, process: WitnessProcess, log: Log
) -> None:
    add(process, log.request(0, 7))

    assert not (await shown(client, log, 9)).refusals


async def test_many_clients_at_once_get_a_history_that_only_grows(
    client: Witnesses, process: WitnessProcess, log: Log
) -> None:
    answers = await asyncio.gather(*(shown(client, log, size) for size in range(1, 60)))

    assert {refusal.kind for answer in answers for refusal in answer.refusals} <= {"ahead"}
    assert any(answer.note != log.note(size) for size, answer in enumerate(answers, start=1))
    assert not (process.folder / "alarms.jsonl").exists()


async def test_refusals_tell_what_is_wrong(client: Witnesses, process: WitnessProcess, log: Log, keys: Path) -> None:
    await shown(client, log, 9)

    async def refusal(size: int, leaves: Sequence[bytes]) -> tuple[str, int | None]:
        answer = await shown(client, log, size, leaves)
        assert answer.note == log.note(size, leaves)
        (refusal,) = answer.refusals
        return refusal.kind, refusal.size

    assert await refusal(9, OTHERS) == ("split", None)
    assert await refusal(12, OTHERS) == ("unproven", None)
    assert await refusal(5, LEAVES) == ("ahead", 9)
    (keys / "customer.pub").unlink()
    assert await refusal(12, LEAVES) == ("unknown", None)


async def test_a_witness_that_is_down_is_silent_and_is_asked_again(
    client: Witnesses, process: WitnessProcess, log: Log
) -> None:
    await shown(client, log, 5)
    process.kill()

    answer = await shown(client, log, 7)
    assert (answer.note, answer.refusals) == (log.note(7), ())
    assert "gave no cosignature" in answer.silent[0]

    process.start()
    assert (await shown(client, log, 7)).note != log.note(7)


async def test_one_witness_that_is_down_takes_nothing_from_the_other(
    process: WitnessProcess, log: Log, keys: Path
) -> None:
    known = AuditKeys.read(keys).witnesses
    client = Witnesses(["http://user:secret@127.0.0.1:9", process.url], known, seconds=PATIENCE)

    answer = await shown(client, log, 5)
    await client.close()

    assert Verifier(known).open(answer.note)
    assert len(answer.silent) == 1
    assert "secret" not in answer.silent[0]


async def test_cosignatures_of_strangers_are_not_kept(process: WitnessProcess, log: Log, tmp_path: Path) -> None:
    stranger = make_witness(tmp_path / "stranger", "witness.example")
    client = Witnesses([process.url], [stranger], seconds=PATIENCE)

    answer = await shown(client, log, 5)
    await client.close()

    assert answer.note == log.note(5)
    assert "witnesses.pub" in answer.silent[0]


def test_a_home_has_a_witness_that_its_logs_know(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.prepare()
    home.prepare()

    assert AuditKeys.read(home.audit_keys).witnesses == (open_witness(home.witness).key,)
    assert home.data not in home.witness.parents
    assert home.keys not in home.witness.parents


def test_a_home_whose_audit_keys_are_lost_is_not_given_others(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.prepare()
    shutil.rmtree(home.audit_keys)

    with pytest.raises(EmbeddedError, match=r"audit keys of .* are missing"):
        home.prepare()


def test_a_lost_witness_is_followed_by_one_with_another_key(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.prepare()
    shutil.rmtree(home.witness)
    home.prepare()

    former, present = AuditKeys.read(home.audit_keys).witnesses
    assert present == open_witness(home.witness).key != former


def test_the_command_tells_its_verifier_key_and_cosigns(log: Log, keys: Path, tmp_path: Path) -> None:
    port = ports.choose()
    options = ["--folder", tmp_path / "other", "--logs", keys, "--name", "other.example", "--port", port]
    program = [sys.executable, "-c", "from deploy.cli import main; main()", "witness", *map(str, options)]
    with subprocess.Popen(program, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as ran:
        try:
            assert ran.stdout is not None
            key = VerifierKey.parse(ran.stdout.readline().strip())
            while not ports.lives(port):
                assert ran.poll() is None
                time.sleep(0.05)
            answer = httpx.post(
                f"http://127.0.0.1:{port}/add-checkpoint", content=log.request(0, 7), timeout=PATIENCE, trust_env=False
            )
        finally:
            ran.terminate()

    assert key.name == "other.example"
    assert list(Verifier([key]).open(log.note(7) + answer.content).by) == [key]
