"""Signed notes: who vouches for a text, and that nothing else passes for it."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from shared.audit import exact_base64
from shared.audit.note import (
    MAX_BYTES,
    MAX_SIGNATURES,
    MAX_TIME,
    BadKey,
    BadNote,
    Kind,
    Note,
    Signature,
    Verifier,
    VerifierKey,
)
from shared.audit.signer import Cosigner, Signer, make_key, read_key

TEXT = "custlog/example/customer\n3\n\nséance\n"
NAME = "custlog/example/customer"


def private(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


LOG = Signer(NAME, private(1))
NEW_LOG = Signer(NAME, private(2))
WITNESS = Cosigner("witness.example", private(3))
SIGNED = Note(TEXT).signed(LOG.sign(TEXT)).encode()
COSIGNED = Note(TEXT).signed(WITNESS.sign(TEXT, 1_700_000_000)).encode()

names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"), min_size=1)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n")).map(lambda text: text + "\n")
signatures = st.builds(Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))


def test_the_bytes_of_a_signed_note_are_known_for_ever() -> None:
    assert SIGNED.decode() == TEXT + "\n" + (
        "\u2014 custlog/example/customer 9F73tMEAvaKQ/zShgs3daTtLERQs3ZN9rHFL05uG+1S1"
        "l0o5VF37+tzTjc/voeADwq7FUMx5DECDy9yJOmF2UeiyOAk=\n"
    )
    assert COSIGNED.decode() == TEXT + "\n" + (
        "\u2014 witness.example reJIigAAAABlU/EA1R8VTuJghZ+waVxPtIqwlUyqxIvT"
        "VD/SbD1Ml51EsDmGwnrDAP/ugr24reORyQQohlEY8DsBPdd+Jst7QmXSAg==\n"
    )
    assert str(LOG.key) == "custlog/example/customer+f45ef7b4+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
    assert str(WITNESS.key) == "witness.example+ade2488a+BO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR"


def test_a_note_opens_with_the_key_of_its_signer() -> None:
    assert Verifier([LOG.key]).open(SIGNED) == (TEXT, {LOG.key: None})


def test_a_cosignature_tells_when_the_witness_saw_the_text() -> None:
    assert Verifier([WITNESS.key]).open(COSIGNED) == (TEXT, {WITNESS.key: 1_700_000_000})


def test_of_several_cosignatures_of_one_witness_the_latest_time_counts() -> None:
    signed = Note(TEXT).signed(*(WITNESS.sign(TEXT, time) for time in (5, MAX_TIME, 0))).encode()

    assert Verifier([WITNESS.key]).open(signed).by == {WITNESS.key: MAX_TIME}


@pytest.mark.parametrize("time", [-1, MAX_TIME + 1])
def test_a_time_that_the_specification_does_not_know_is_not_signed(time: int) -> None:
    with pytest.raises(BadNote, match="time"):
        WITNESS.sign(TEXT, time)


@pytest.mark.parametrize(("signed", "key"), [(SIGNED, LOG.key), (COSIGNED, WITNESS.key)])
def test_no_bit_of_a_note_can_be_flipped(signed: bytes, key: VerifierKey) -> None:
    verifier = Verifier([key])
    for at in range(len(signed)):
        for bit in range(8):
            altered = bytearray(signed)
            altered[at] ^= 1 << bit
            with pytest.raises(BadNote):
                verifier.open(bytes(altered))


@pytest.mark.parametrize(("signed", "key"), [(SIGNED, LOG.key), (COSIGNED, WITNESS.key)])
def test_no_byte_of_a_note_can_be_left_out_or_doubled(signed: bytes, key: VerifierKey) -> None:
    verifier = Verifier([key])
    for at in range(len(signed)):
        for altered in (signed[:at] + signed[at + 1 :], signed[:at] + signed[at : at + 1] + signed[at:], signed[:at]):
            if altered != signed:
                with pytest.raises(BadNote):
                    verifier.open(altered)


def test_while_keys_change_both_old_and_new_verifiers_are_content() -> None:
    signed = Note(TEXT).signed(LOG.sign(TEXT), NEW_LOG.sign(TEXT)).encode()

    assert Verifier([LOG.key]).open(signed).by == {LOG.key: None}
    assert Verifier([NEW_LOG.key]).open(signed).by == {NEW_LOG.key: None}
    assert Verifier([LOG.key, NEW_LOG.key]).open(signed).by == {LOG.key: None, NEW_LOG.key: None}


def test_after_a_key_was_changed_a_verifier_that_knows_both_needs_only_the_new_one() -> None:
    signed = Note(TEXT).signed(NEW_LOG.sign(TEXT)).encode()

    assert Verifier([LOG.key, NEW_LOG.key]).open(signed).by == {NEW_LOG.key: None}
    with pytest.raises(BadNote, match="no known key"):
        Verifier([LOG.key]).open(signed)


def test_one_forged_signature_of_a_known_key_spoils_the_note() -> None:
    signed = Note(TEXT).signed(LOG.sign(TEXT), NEW_LOG.sign("another text\n")).encode()

    with pytest.raises(BadNote, match="not that of its key"):
        Verifier([LOG.key, NEW_LOG.key]).open(signed)
    assert Verifier([LOG.key]).open(signed).text == TEXT


def test_a_signature_of_another_key_that_borrows_name_or_id_is_ignored() -> None:
    sound = LOG.sign(TEXT)
    borrowed = (Signature("borrowed", sound.key_id, b"x"), Signature(sound.name, b"\x00\x00\x00\x00", b"x"))
    signed = Note(TEXT).signed(*borrowed, sound).encode()

    assert Verifier([LOG.key]).open(signed).by == {LOG.key: None}
    with pytest.raises(BadNote, match="no known key"):
        Verifier([LOG.key]).open(Note(TEXT).signed(*borrowed).encode())


def test_a_signature_of_one_kind_is_none_of_the_other() -> None:
    both = private(4)
    log, witness = Signer("n", both), Cosigner("n", both)
    as_note = Signature("n", log.key.key_id, witness.sign(TEXT, 7).value[8:])
    as_cosignature = Signature("n", witness.key.key_id, bytes(8) + log.sign(TEXT).value)

    for forged, key in ((as_note, log.key), (as_cosignature, witness.key)):
        with pytest.raises(BadNote, match="not that of its key"):
            Verifier([key]).open(Note(TEXT).signed(forged).encode())


@given(texts, st.lists(signatures, min_size=1, max_size=4))
def test_a_note_parses_to_what_was_written(text: str, lines: list[Signature]) -> None:
    note = Note(text, tuple(lines))

    assert Note.parse(note.encode()) == note


@given(st.binary(max_size=40) | st.text("\n\u2014 na=A", max_size=20).map(str.encode))
def test_bytes_are_refused_or_are_what_the_note_in_them_is_written_as(signed: bytes) -> None:
    try:
        note = Note.parse(signed)
    except BadNote:
        return
    assert note.encode() == signed


LINE = "\u2014 name AAAAAAA=\n"


@pytest.mark.parametrize(
    "signed",
    [
        "",
        "text\n",
        "text\n\n",
        f"text\n{LINE}",
        f"\n{LINE}",
        f"text\r\n\n{LINE}",
        f"tab\there\n\n{LINE}",
        f"text\n\n{LINE}\n",
        f"text\n\n{LINE}{LINE[:-1]}",
        f"text\n\n{LINE * (MAX_SIGNATURES + 1)}",
        f"{'x' * MAX_BYTES}\n\n{LINE}",
    ],
)
def test_a_note_without_the_right_lines_is_refused(signed: str) -> None:
    with pytest.raises(BadNote):
        Note.parse(signed.encode())


@pytest.mark.parametrize(
    "line",
    [
        "- name AAAAAAA=",
        "\u2014name AAAAAAA=",
        "\u2014  name AAAAAAA=",
        "\u2014\u00a0name AAAAAAA=",
        "\u2014 name\u00a0AAAAAAA=",
        "\u2014 two names AAAAAAA=",
        "\u2014 a\u2003name AAAAAAA=",
        "\u2014 a+name AAAAAAA=",
        "\u2014 AAAAAAA=",
        "\u2014 name AAAAAAA= ",
        "\u2014 name AAAAAA==",
        "\u2014 name AAAAAAB=",
        "\u2014 name AAAAAAA",
        "\u2014 name AAAAAA-_",
        "\u2014 name ",
    ],
)
def test_a_malformed_signature_line_spoils_the_note(line: str) -> None:
    with pytest.raises(BadNote, match="signature"):
        Note.parse(f"text\n\n{LINE}{line}\n".encode())


def test_as_many_signatures_as_allowed_are_read() -> None:
    assert len(Note.parse(f"text\n\n{LINE * MAX_SIGNATURES}".encode()).signatures) == MAX_SIGNATURES


@pytest.mark.parametrize("text", ["", "no end of line", "a\rb\n", "\x00\n", "\ud800\n"])
def test_a_text_that_cannot_be_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(BadNote, match="text of a note"):
        LOG.sign(text)
    with pytest.raises(BadNote, match="text of a note"):
        WITNESS.sign(text, 1)
    with pytest.raises(BadNote, match="text of a note"):
        Note(text).signed(LOG.sign(TEXT)).encode()


def test_a_note_without_signatures_is_not_written() -> None:
    with pytest.raises(BadNote, match="signatures"):
        Note(TEXT).encode()


@given(names, st.sampled_from(Kind), st.binary(min_size=32, max_size=32))
def test_a_verifier_key_parses_to_what_was_written(name: str, kind: Kind, public: bytes) -> None:
    key = VerifierKey(name, kind, public)

    assert VerifierKey.parse(str(key)) == key


def test_no_bit_of_a_verifier_key_can_be_flipped() -> None:
    text = str(LOG.key)
    for at, letter in enumerate(text):
        for bit in range(7):
            with pytest.raises(BadKey):
                VerifierKey.parse(text[:at] + chr(ord(letter) ^ 1 << bit) + text[at + 1 :])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "\x00", "\ud800"])
def test_a_name_that_would_break_a_signature_line_is_refused(name: str) -> None:
    with pytest.raises(BadKey, match="name"):
        Signer(name, private(1))
    with pytest.raises(BadNote, match="name"):
        Note(TEXT).signed(Signature(name, bytes(4), b"x")).encode()


@given(st.text("AB+/=\n ", max_size=9) | st.text(max_size=5))
def test_a_value_has_one_base64_text_only(text: str) -> None:
    try:
        value = exact_base64.decode(text)
    except ValueError:
        return
    assert exact_base64.encode(value) == text


def test_a_key_made_in_a_file_is_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "log.pem"
    make_key(file)
    made = file.read_bytes()
    make_key(file)

    assert file.read_bytes() == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["log.pem"]
    log = Signer(NAME, read_key(file))
    assert Verifier([log.key]).open(Note(TEXT).signed(log.sign(TEXT)).encode()).text == TEXT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        private(1).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        private(1).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ],
)
def test_a_file_without_a_signing_key_is_refused_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "log.pem"
    file.write_bytes(content)

    with pytest.raises(BadKey) as refused:
        read_key(file)
    assert str(refused.value) == f"{file} must hold an Ed25519 key in PKCS#8 PEM that is not encrypted"
    with pytest.raises(FileNotFoundError):
        read_key(tmp_path / "missing.pem")
