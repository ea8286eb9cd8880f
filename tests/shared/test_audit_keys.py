"""The folder of audit keys: made once, whoever makes it, and its keys are replaced with overlap."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.audit.keys import AuditKeys, add_witness, make, next_generation
from shared.audit.note import BadKey, Note, Verifier
from shared.audit.signer import Cosigner, make_key, read_key
from shared.events.catalogue import LOGS


def _cosigner(folder: Path, name: str) -> Cosigner:
    make_key(folder / f"{name}.pem")
    return Cosigner(name, read_key(folder / f"{name}.pem"))


def test_a_new_folder_has_a_key_for_every_log_and_one_installation(tmp_path: Path) -> None:
    make(tmp_path / "audit")
    keys = AuditKeys.read(tmp_path / "audit")

    assert {keys.origin(log) for log in LOGS} == {f"{keys.installation}/{log}" for log in LOGS}
    for log in LOGS:
        assert [signer.key for signer in keys.signers(log)] == keys.verifiers(log)
        assert keys.verifiers(log)[0].name == keys.origin(log)
    assert keys.witnesses == ()
    assert keys.relay is not None
    assert len(keys.relay.keys[keys.relay.current]) == 32


def test_secrets_are_closed_to_others_and_not_printed(tmp_path: Path) -> None:
    make(tmp_path)
    keys = AuditKeys.read(tmp_path)

    for name in ("relay.json", "customer.pem"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert keys.relay is not None
    assert repr(keys.relay.keys[1]) not in repr(keys)


def test_many_that_make_a_folder_at_once_make_one(tmp_path: Path) -> None:
    def made(_: int) -> tuple[AuditKeys, list[str]]:
        make(tmp_path / "audit")
        keys = AuditKeys.read(tmp_path / "audit")
        return keys, [str(key) for log in LOGS for key in keys.verifiers(log)]

    with ThreadPoolExecutor(8) as pool:
        each = list(pool.map(made, range(16)))

    assert all(one == each[0] for one in each)


def test_a_key_is_replaced_with_overlap_and_the_old_one_still_opens_its_notes(tmp_path: Path) -> None:
    make(tmp_path)
    text = "x\n"
    old = Note(text).signed(*(signer.sign(text) for signer in AuditKeys.read(tmp_path).signers("customer"))).encode()

    make_key(tmp_path / "customer-2.pem")
    make(tmp_path)
    both = AuditKeys.read(tmp_path)
    assert [signer.key for signer in both.signers("customer")] == both.verifiers("customer")
    assert len(both.signers("customer")) == 2

    (tmp_path / "customer.pem").unlink()
    make(tmp_path)
    new = AuditKeys.read(tmp_path)
    assert [signer.key for signer in new.signers("customer")] == both.verifiers("customer")[1:]
    assert new.verifiers("customer") == both.verifiers("customer")
    assert Verifier(new.verifiers("customer")).open(old).text == text


def test_the_tenth_key_comes_after_the_second(tmp_path: Path) -> None:
    make(tmp_path)
    for number in (10, 2):
        make_key(tmp_path / f"customer-{number}.pem")

    signers = AuditKeys.read(tmp_path).signers("customer")

    names = ("customer.pem", "customer-2.pem", "customer-10.pem")
    assert [signer.key.public for signer in signers] == [
        read_key(tmp_path / name).public_key().public_bytes_raw() for name in names
    ]


def test_a_log_that_goes_on_from_a_backup_signs_under_a_new_origin(tmp_path: Path) -> None:
    make(tmp_path)
    before = AuditKeys.read(tmp_path)

    assert next_generation(tmp_path, "customer") == 2
    assert next_generation(tmp_path, "customer") == 3

    after = AuditKeys.read(tmp_path)
    assert after.origin("customer") == f"{after.installation}/customer/3"
    assert after.origin("identity") == before.origin("identity")
    assert [key.name for key in after.verifiers("customer")] == [
        before.origin("customer"),
        f"{after.installation}/customer/2",
        f"{after.installation}/customer/3",
    ]
    assert after.signers("customer")[0].key.public == before.signers("customer")[0].key.public


def test_a_witness_is_added_once(tmp_path: Path) -> None:
    make(tmp_path / "audit")
    one, other = (_cosigner(tmp_path, name).key for name in ("one.example", "other.example"))

    for key in (one, other, one):
        add_witness(tmp_path / "audit", key)

    assert AuditKeys.read(tmp_path / "audit").witnesses == (one, other)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("origin", "two words\n"),
        ("origin", "\n"),
        ("generations.json", '{"customer": "2"}'),
        ("generations.json", "[]"),
        ("generations.json", "{"),
        ("relay.json", '{"current": 2, "keys": {"1": "AAAA"}}'),
        ("relay.json", '{"current": 1, "keys": {"1": "AAAA"}}'),
        ("relay.json", '{"keys": []}'),
        ("witnesses.pub", "no key\n"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, file: str, content: str) -> None:
    make(tmp_path)
    (tmp_path / file).write_text(content)

    with pytest.raises(BadKey, match=r"must"):
        AuditKeys.read(tmp_path)


def test_the_key_of_a_log_is_no_witness(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "witnesses.pub").write_text((tmp_path / "customer.pub").read_text())

    with pytest.raises(BadKey, match="type 0x04 only"):
        AuditKeys.read(tmp_path)


def test_a_missing_signing_key_is_named(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "customer.pem").unlink()

    with pytest.raises(BadKey, match=r"customer\.pem"):
        AuditKeys.read(tmp_path).signers("customer")
