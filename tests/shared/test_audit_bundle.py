"""Bundles: what honest ones prove, and what cannot be passed off as one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.audit import bundle, verify
from shared.audit.bundle import Unprovable
from shared.audit.leaf import blank
from shared.audit.signer import Cosigner, Signer
from shared.audit.state import ABOUT, COUNTED
from shared.events import customer as events
from shared.events.catalogue import CATALOGUE
from tests.support.audit import MemorySnapshot, StoredLogs, sign, signing_key
from tests.support.audited import (
    ADA,
    BEA,
    CLEO,
    DORA,
    HONEST,
    KEPT,
    KEYS,
    KEYS_OF,
    LOGS,
    ORIGINS,
    SIGNERS,
    SINCE,
    SMALLER,
    TOLD,
    WITNESS,
    snapshots,
    told,
)
from tests.support.events import an_id

Files = dict[str, bytes]


def made(*, keys: Mapping[str, bytes] | None = None, since: bool = False, **options: Any) -> Files:
    logs = options.get("logs", HONEST)
    return bundle.files(ADA, options.get("members", [ADA, BEA]), logs, keys=keys, since=SINCE if since else None)


def accepted(files: Files, kept: list[verify.Log] | None = None, quorum: int = 1) -> list[str]:
    content = {name: data for name, data in files.items() if name not in {"README.txt", "verify.py"}}
    return verify.verify(content, KEYS, quorum, kept or [])


def refused(files: Files, why: str, kept: list[verify.Log] | None = None, quorum: int = 1) -> None:
    with pytest.raises(ValueError, match=why):
        accepted(files, kept, quorum)


def edited(files: Files, name: str, edit: Callable[[list[bytes]], Any]) -> Files:
    """The files with one's lines edited."""
    lines = files[name].splitlines(keepends=True)
    edit(lines)
    return {**files, name: b"".join(lines)}


def without(files: Files, log: str, at: int) -> Files:
    """The files without a line of the log's three parallel files."""
    for part in ("events", "sealed", "inclusion"):
        files = edited(files, f"{log}/{part}.jsonl", lambda lines: lines.pop(at))
    return files


def state_of(files: Files) -> Any:
    return orjson.loads(files["state.json"])


def with_json(files: Files, name: str, edit: Callable[[Any], Any]) -> Files:
    content = orjson.loads(files[name])
    edit(content)
    return {**files, name: orjson.dumps(content, option=orjson.OPT_SORT_KEYS)}


def test_an_honest_bundle_passes_and_tells_what_it_proves() -> None:
    said = "\n".join(accepted(made()))

    assert ADA in said
    assert BEA in said
    assert all(origin in said for origin in ORIGINS.values())
    assert "witness.example/w1" in said


def test_a_bundle_passes_with_disclosed_keys_and_with_older_checkpoints() -> None:
    files = made(keys=KEYS_OF, since=True)

    accepted(files, KEPT)
    registered = state_of(files)["streams"]["customer"][f"customer-{ADA}"]["said"]["customer.registered.v1"]
    assert registered[""]["data"]["name"] == {"full": "Somebody 0 \u00e9\u738b"}


def test_without_keys_the_state_has_open_fields_and_names_the_sealed_ones() -> None:
    registered = state_of(made())["streams"]["customer"][f"customer-{ADA}"]["said"]["customer.registered.v1"]

    assert registered[""]["data"]["name"] == {"sealed": True}
    assert registered[""]["data"]["source"] == "crm"


def test_a_customer_without_events_is_proved_to_have_none() -> None:
    nobody = an_id("nobody")
    files = bundle.files(nobody, [], HONEST)

    accepted(files)
    assert state_of(files)["streams"] == {log: {} for log in LOGS}


def test_a_log_that_is_empty_proves_that() -> None:
    accepted(bundle.files(ADA, [], snapshots(StoredLogs())))


def test_the_last_word_on_each_thing_is_told_and_what_counts_is_all_kept() -> None:
    streams = state_of(made(keys=KEYS_OF))["streams"]["customer"]

    assert streams[f"customer-{BEA}"]["said"]["customer.extension_field_set.v1"]["shoe"]["data"]["value"] == 42
    assert list(streams[f"customer-{ADA}"]["said"]["customer.tagged.v1"]) == ["3", "4"]
    paid = streams[f"order-{an_id('order')}"]["said"]["order.paid.v1"]
    assert [each["data"]["amount"] for each in paid.values()] == ["4.00", "6.00"]


def test_the_verifier_and_the_contracts_agree_about_every_type_of_event() -> None:
    for contract in CATALOGUE.values():
        assert (contract.TYPE.split(".")[-1] in verify.COUNTED) == (contract in COUNTED)
        about = next((key for key in verify.KEYS if key in contract.model_fields), None)
        assert contract in COUNTED or about == ABOUT.get(contract)
        if about is not None:
            assert contract.model_fields[about].is_required()
            assert about not in contract.SEALED


def test_events_after_the_checkpoint_are_left_to_the_next_one() -> None:
    logs = TOLD
    late = {len(logs.records["customer"]) + 1: told().tell(ADA, events.OwnerAssigned()).records["customer"][-1]}
    later = {**HONEST, "customer": MemorySnapshot(
        ORIGINS["customer"], dict(enumerate(logs.records["customer"], 1)), cosigners=(WITNESS,), later=late
    )}  # fmt: skip

    assert made(logs=later)["customer/events.jsonl"] == made()["customer/events.jsonl"]


def test_equal_snapshots_make_equal_bundles() -> None:
    assert bundle.make(ADA, [BEA], HONEST) == bundle.make(ADA, [ADA, BEA], HONEST)


def test_who_is_one_with_the_customer_is_what_the_links_say() -> None:
    for members in ([ADA, BEA, DORA], [ADA, BEA, CLEO]):
        with pytest.raises(Unprovable):
            made(members=members)
    with pytest.raises(Unprovable):
        bundle.make(BEA, [BEA], HONEST)


def test_a_link_that_only_an_outsider_tells_is_not_seen() -> None:
    # It stands in Bea's chain alone: a limit of the proof, which the verifier tells of.
    accepted(made(members=[ADA]))


def test_an_erased_subject_passes_and_is_told() -> None:
    files = made(keys={ADA: KEYS_OF[ADA]})

    assert any(BEA in line and "erased" in line for line in accepted(files))
    streams = state_of(files)["streams"]["customer"]
    assert streams[f"customer-{BEA}"]["said"]["customer.registered.v1"][""]["data"]["name"] == {"erased": True}


def blanked(log: str, records: list[bytes]) -> None:
    if log == "customer":
        records[0] = blank(1, records[0])


@pytest.mark.parametrize("keys", [None, KEYS_OF])
def test_a_blanked_ciphertext_passes_and_reads_as_erased(keys: Mapping[str, bytes] | None) -> None:
    logs = TOLD
    plain, gone = snapshots(logs), snapshots(logs, blanked)
    assert gone["customer"].checkpoint == plain["customer"].checkpoint

    files = made(logs=gone, keys=keys)
    accepted(files)
    registered = state_of(files)["streams"]["customer"][f"customer-{ADA}"]["said"]["customer.registered.v1"]
    assert registered[""]["data"]["name"] == {"erased": True}


def test_a_ciphertext_that_is_withheld_is_missed_in_the_state() -> None:
    refused(edited(made(), "customer/sealed.jsonl", lambda lines: lines.__setitem__(0, b"{}\n")), "state.json")


def test_an_event_left_out_is_noticed() -> None:
    refused(without(made(), "customer", 1), "customer: index .*(before it|next of its stream)")


def test_a_stream_cut_at_its_tail_is_noticed() -> None:
    refused(without(made(), "customer", -1), "customer: head of .*: its last events are left out")


def test_a_customer_of_whom_everything_is_left_out_is_noticed() -> None:
    files = made()
    for _ in range(4):
        files = without(files, "identity", 0)
    refused(files, "identity")


def test_two_events_swapped_are_noticed() -> None:
    files = made()
    for part in ("events", "sealed", "inclusion"):
        files = edited(files, f"customer/{part}.jsonl", lambda lines: lines.insert(1, lines.pop(2)))
    refused(files, "customer: index .*order of the log")


def test_an_event_of_another_customer_is_not_taken() -> None:
    files = made()
    all_of_log = HONEST["customer"].records([ADA, BEA, CLEO, DORA])
    place = next(at for at, (_, stored) in enumerate(all_of_log) if DORA.encode() in stored)
    theirs = bundle.files(DORA, [], HONEST)
    for part in ("events", "sealed", "inclusion"):
        name = f"customer/{part}.jsonl"
        lines = files[name].splitlines(keepends=True)
        lines.insert(place, theirs[name].splitlines(keepends=True)[0])
        files = {**files, name: b"".join(lines)}
    refused(files, "customer: index .*another customer")


def test_the_checkpoint_of_another_log_is_not_taken() -> None:
    refused({**made(), "customer/checkpoint": HONEST["identity"].note}, "customer: .*another log")


def test_the_folder_of_another_log_is_not_taken() -> None:
    files = {name.replace("customer/", "invoices/"): data for name, data in made().items()}
    refused(files, "invoices: .*another log")


def test_a_log_left_out_is_noticed() -> None:
    files = {name: data for name, data in made().items() if not name.startswith("notifications/")}
    refused(files, "not those of the keys")


def test_an_older_checkpoint_of_another_history_is_noticed() -> None:
    rewritten = snapshots(TOLD, lambda log, records: records.pop(0))
    other = rewritten["identity"].note
    kept = verify.opened(other.decode(), KEYS)
    files = made(since=True)

    refused(files, "identity: it grew from another", [kept])
    path = orjson.loads(files["identity/consistency.json"])["path"]
    proof = orjson.dumps({"old": other.decode(), "path": path})
    refused({**files, "identity/consistency.json": proof}, "identity: it", [kept])


def test_a_log_that_became_shorter_is_noticed() -> None:
    files = made(logs={**HONEST, "identity": SMALLER["identity"]})
    proof = orjson.dumps({"old": HONEST["identity"].note.decode(), "path": []})
    refused({**files, "identity/consistency.json": proof}, "shorter")


def test_growth_from_a_kept_checkpoint_has_to_be_proved() -> None:
    refused(made(), "no proof that it has grown", KEPT)


def test_a_kept_checkpoint_of_a_log_that_is_not_there_is_noticed() -> None:
    stray = Signer("custlog/other/customer", signing_key("other"))
    checkpoint = MemorySnapshot("custlog/other/customer", {}, signers=(stray,))
    kept = verify.opened(checkpoint.note.decode(), dict([verify.key_of(str(stray.key), 1)]))
    refused(made(), "that you kept", [kept])


def test_a_missing_witness_is_noticed() -> None:
    refused(made(logs=snapshots(TOLD, cosigners=())), "0 of your witnesses")
    refused(made(), "1 of your witnesses", quorum=2)


def test_a_false_cosignature_is_noticed() -> None:
    false = Cosigner(WITNESS.key.name, signing_key("somebody"))
    note = HONEST["customer"].note.decode().splitlines()
    lie = sign(HONEST["customer"].checkpoint, (SIGNERS["customer"],), (false,)).decode().splitlines()
    assert note[:-1] == lie[:-1]
    refused({**made(), "customer/checkpoint": ("\n".join(lie) + "\n").encode()}, "0 of your witnesses")


def test_a_log_signed_with_a_key_that_is_not_the_auditors_is_noticed() -> None:
    other = Signer(ORIGINS["customer"], signing_key("the operator's new key"))
    note = sign(HONEST["customer"].checkpoint, (other,), (WITNESS,))
    refused({**made(), "customer/checkpoint": note}, "no key of yours")


def test_either_of_two_keys_of_a_log_is_enough_while_one_is_replaced() -> None:
    new = Signer(ORIGINS["customer"], signing_key("new"))
    note = sign(HONEST["customer"].checkpoint, (SIGNERS["customer"], new), (WITNESS,))
    accepted({**made(), "customer/checkpoint": note})


def test_the_proof_of_another_bucket_is_not_taken() -> None:
    theirs = orjson.loads(bundle.files(DORA, [], HONEST)["customer/heads.json"])[DORA]
    refused(with_json(made(), "customer/heads.json", lambda heads: heads.update({ADA: theirs})), "map of heads")


def test_a_wrong_disclosed_key_is_noticed() -> None:
    files = made(keys=KEYS_OF)
    swapped = with_json(files, "keys.json", lambda keys: keys.update({ADA: keys[BEA]}))
    refused(swapped, "customer: index 1: InvalidTag")
    refused(with_json(files, "keys.json", lambda keys: keys.update({ADA: None})), "state.json")
    refused(with_json(files, "keys.json", lambda keys: keys.update({DORA: None})), "keys are not those")


def test_an_altered_state_is_noticed() -> None:
    def alter(state: Any) -> None:
        told = state["streams"]["customer"][f"customer-{ADA}"]["said"]
        told["customer.consent_given.v1"]["news"]["data"]["channel"] = "shop"

    refused(with_json(made(), "state.json", alter), "state.json")


def test_a_link_left_out_is_noticed() -> None:
    def alone(about: Any) -> None:
        about["members"] = [ADA]

    files = with_json(made(), "bundle.json", alone)
    refused(files, "customer: it has other heads")
    refused(with_json(files, "customer/heads.json", lambda heads: heads.pop(BEA)), "customer: index .*another customer")


def test_a_separation_that_is_withheld_is_noticed() -> None:
    files = with_json(made(), "identity/heads.json", lambda heads: heads.pop(CLEO))
    refused(files, "identity: index .*another customer")
    for _ in range(2):
        files = without(files, "identity", 2 if CLEO.encode() in files["identity/events.jsonl"].split(b"\n")[2] else -1)
    refused(files, "by the links its members are others")


def test_json_of_another_shape_is_refused() -> None:
    for content in (b"", b"null", b"[]", b"{}", b"[" * 100_000, b"1" * 5000, b"\xff", b'{"a":1,"a":1}', b"NaN"):
        for name in made(keys=KEYS_OF, since=True):
            if name not in {"README.txt", "verify.py"}:
                with pytest.raises(ValueError):  # noqa: PT011 - what is wrong differs
                    accepted({**made(keys=KEYS_OF, since=True), name: content}, KEPT)


def test_the_verifier_runs_alone_from_the_bundle_it_came_with(tmp_path: Path) -> None:
    packed = tmp_path / "bundle.zip"
    packed.write_bytes(bundle.make(ADA, [BEA], HONEST, keys=KEYS_OF, since=SINCE))
    (tmp_path / "verify.py").write_bytes(made()["verify.py"])
    (tmp_path / "kept").write_bytes(SINCE["customer"])
    pins = [part for signer in SIGNERS.values() for part in ("--key", str(signer.key))]
    witness = ["--witness", str(WITNESS.key), "--since", "kept"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "verify.py", "bundle.zip", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    passed, failed = run(*pins, *witness), run(*pins[:-2], *witness)

    assert (passed.returncode, passed.stdout.split("\n")[0], passed.stderr) == (0, "PASS", "")
    assert failed.returncode == 1
    assert "FAIL notifications: no key of yours" in failed.stdout + failed.stderr


def test_the_verifier_needs_nothing_of_ours_and_stays_small() -> None:
    source = Path(verify.__file__).read_text()

    assert "import shared" not in source
    assert "from shared" not in source
    assert source.count("\n") <= 270
