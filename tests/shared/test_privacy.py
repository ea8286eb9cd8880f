"""Sealing and the keyring: who has the key reads, who has none gets nothing, and place matters."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import orjson
import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Unavailable
from shared.ids import uuid7
from shared.privacy.kek import UnknownKek, add_key, drop_key, new_content
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.privacy.sealing import BadSeal, DataKey, associated_data, seal, unseal
from tests.support.logs import key_encryption_keys, running_keyring

PLACE = associated_data("customer", "customer-1", 1, "customer.registered", "s")


def key() -> DataKey:
    return DataKey("s", "1", AESGCM(os.urandom(32)))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), values, min_size=1, max_size=4))
def test_what_was_sealed_opens_to_the_same(fields: dict[str, object]) -> None:
    data_key = key()

    part = seal(data_key, fields, PLACE)

    assert unseal(data_key, part, PLACE) == fields
    assert part.fields == tuple(sorted(fields))


@pytest.mark.parametrize(
    "place",
    [
        associated_data("identity", "customer-1", 1, "customer.registered", "s"),
        associated_data("customer", "customer-2", 1, "customer.registered", "s"),
        associated_data("customer", "customer-1", 2, "customer.registered", "s"),
        associated_data("customer", "customer-1", 1, "customer.archived", "s"),
        associated_data("customer", "customer-1", 1, "customer.registered", "t"),
    ],
)
def test_a_sealed_part_does_not_open_in_another_place(place: bytes) -> None:
    data_key = key()
    part = seal(data_key, {"name": "x"}, PLACE)

    with pytest.raises(BadSeal):
        unseal(data_key, part, place)


@given(st.integers(min_value=0))
def test_a_flipped_bit_does_not_open(bit: int) -> None:
    data_key = key()
    part = seal(data_key, {"name": "x"}, PLACE)
    raw = bytearray(base64.b64decode(part.ct))
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8

    with pytest.raises(BadSeal):
        unseal(data_key, msgspec.structs.replace(part, ct=base64.b64encode(raw).decode()), PLACE)


def test_a_data_key_never_shows_in_its_repr() -> None:
    assert "cipher" not in repr(key())


def test_a_key_file_without_its_current_key_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "kek.json"
    file.write_bytes(orjson.dumps({"current": 2, "keys": {"1": base64.b64encode(bytes(32)).decode()}}))

    with pytest.raises(ValueError, match="current key-encryption key 2 is not among"):
        KeyEncryptionKeys.read(file)


def test_a_data_key_wrapped_by_an_old_key_opens_after_rotation() -> None:
    old, new = AESGCM(os.urandom(32)), AESGCM(os.urandom(32))
    wrapped = KeyEncryptionKeys(1, {1: old}).wrap("s", b"k" * 32)

    assert KeyEncryptionKeys(2, {1: old, 2: new}).unwrap("s", 1, wrapped) == b"k" * 32


@pytest.fixture
def keyring(postgres_url: Callable[[str], str], tmp_path: Path) -> Iterator[Keyring]:
    with running_keyring(postgres_url("keyring"), tmp_path) as keyring:
        yield keyring


@pytest.mark.server
def test_a_key_that_another_call_is_just_making_is_found(keyring_url: str, tmp_path: Path) -> None:
    subject, keks = uuid7(), key_encryption_keys(tmp_path)
    keyring = Keyring(keyring_url, keks)
    keyring.open()
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor() as threads, psycopg.connect(keyring_url) as other:
        wrapped = keks.wrap(subject, os.urandom(32))
        other.execute("INSERT INTO data_keys (subject, kek, wrapped) VALUES (%s, 1, %s)", (subject, wrapped))
        asked = threads.submit(keyring.ensure, [subject])
        with psycopg.connect(keyring_url, autocommit=True) as watching:
            while not watching.execute(waiting).fetchall():
                assert not asked.done()
        other.commit()
        found = asked.result()
    keyring.close()
    assert found.keys() == {subject}


@pytest.mark.server
def test_ensure_makes_a_key_once_and_fetch_finds_it(keyring: Keyring) -> None:
    subject, stranger = uuid7(), uuid7()
    part = seal(keyring.ensure([subject])[subject], {"name": "x"}, PLACE)

    again = keyring.ensure([subject, stranger])
    fetched = keyring.fetch([subject])

    assert again.keys() == {subject, stranger}
    assert unseal(again[subject], part, PLACE) == unseal(fetched[subject], part, PLACE) == {"name": "x"}


@pytest.mark.server
def test_a_destroyed_subject_never_gets_a_key_again(keyring: Keyring) -> None:
    subject = uuid7()
    keyring.ensure([subject])

    assert keyring.destroy(subject)
    assert not keyring.destroy(subject)
    assert keyring.fetch([subject]) == {}
    assert keyring.ensure([subject]) == {}


@pytest.mark.server
def test_whoever_is_buried_never_gets_a_key_not_even_a_first_one(keyring: Keyring) -> None:
    known, unknown, other = uuid7(), uuid7(), uuid7()
    keyring.ensure([known, other])

    assert keyring.bury([known, unknown, unknown]) == 2
    assert keyring.bury([known, unknown]) == 0
    assert keyring.bury([]) == 0

    assert keyring.ensure([known, unknown, other]).keys() == {other}


@pytest.mark.server
def test_keys_of_two_keyrings_do_not_open_each_other(
    postgres_url: Callable[[str], str], keyring: Keyring, tmp_path: Path
) -> None:
    subject = uuid7()
    part = seal(keyring.ensure([subject])[subject], {"name": "x"}, PLACE)
    with running_keyring(postgres_url("other"), tmp_path) as other, pytest.raises(BadSeal):
        unseal(other.ensure([subject])[subject], part, PLACE)


def test_a_keyring_that_does_not_answer_is_unavailable_not_empty(tmp_path: Path) -> None:
    keyring = Keyring("postgresql://nobody@127.0.0.1:1/nothing", key_encryption_keys(tmp_path))
    keyring._pool.timeout = 0.3
    keyring._pool.open()
    try:
        with pytest.raises(Unavailable):
            keyring.fetch([uuid7()])
    finally:
        keyring.close()


@pytest.mark.server
def test_services_that_start_at_once_make_one_keyring(keyring_url: str, tmp_path: Path) -> None:
    keys = key_encryption_keys(tmp_path)
    rings = [Keyring(keyring_url, keys) for _ in range(6)]
    with ThreadPoolExecutor(len(rings)) as threads:
        opened = [threads.submit(ring.open) for ring in rings]
    try:
        assert [done.exception() for done in opened] == [None] * len(rings)
    finally:
        for ring in rings:
            ring.close()


def key_file(folder: Path) -> Path:
    file = folder / "rotated.json"
    file.write_bytes(orjson.dumps({"current": 1, "keys": {"1": base64.b64encode(bytes(range(32))).decode()}}))
    return file


def test_what_is_keyed_stays_the_same_when_the_oldest_key_goes(tmp_path: Path) -> None:
    file = key_file(tmp_path)
    before = KeyEncryptionKeys.read(file)

    assert add_key(file) == 2
    drop_key(file, 1)

    after = KeyEncryptionKeys.read(file)
    assert (after.blind_index_key, after.command_key) == (before.blind_index_key, before.command_key)
    assert after.ciphers.keys() == {2}
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UnknownKek, match="key-encryption key 1 is not in"):
        after.unwrap("s", 1, before.wrap("s", b"k" * 32))


def test_the_current_key_and_one_that_is_not_there_cannot_be_dropped(tmp_path: Path) -> None:
    file = key_file(tmp_path)
    for version in (1, 7):
        with pytest.raises(ValueError, match="current one or is not in"):
            drop_key(file, version)


def test_a_new_file_has_secrets_of_its_own(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for file in (one, other):
        file.write_bytes(orjson.dumps(new_content()))

    first, second = KeyEncryptionKeys.read(one), KeyEncryptionKeys.read(other)

    assert len({first.blind_index_key, first.command_key, second.blind_index_key, second.command_key}) == 4


@pytest.mark.server
def test_rotation_changes_no_data_key_and_running_processes_follow(keyring_url: str, tmp_path: Path) -> None:
    file = key_file(tmp_path)
    service, operator = (Keyring(keyring_url, KeyEncryptionKeys.read(file)) for _ in range(2))
    for ring in (service, operator):
        ring.open()
    subjects, gone = [uuid7() for _ in range(25)], uuid7()
    part = seal(service.ensure([*subjects, gone])[subjects[0]], {"name": "x"}, PLACE)
    before = service.disclose(subjects)
    service.destroy(gone)

    add_key(file)
    while operator.rewrap(10):
        assert service.disclose(subjects) == before
    later = uuid7()
    service.ensure([later])

    assert operator.wrapped_by(1) == 0
    assert operator.wrapped_by(2) == len(subjects) + 1
    drop_key(file, 1)
    fresh = Keyring(keyring_url, KeyEncryptionKeys.read(file))
    fresh.open()
    assert unseal(fresh.fetch(subjects)[subjects[0]], part, PLACE) == {"name": "x"}
    assert fresh.disclose([*subjects, later, gone]).keys() == {*subjects, later}
    for ring in (service, operator, fresh):
        ring.close()


@pytest.mark.server
def test_a_data_key_wrapped_by_a_key_that_is_missing_is_unavailable_not_erased(
    keyring_url: str, tmp_path: Path
) -> None:
    file, subject = key_file(tmp_path), uuid7()
    keyring = Keyring(keyring_url, KeyEncryptionKeys.read(file))
    keyring.open()
    add_key(file)
    keyring.ensure([subject])
    content = orjson.loads(file.read_bytes())
    file.write_bytes(orjson.dumps({**content, "current": 1, "keys": {"1": content["keys"]["1"]}}))
    other = Keyring(keyring_url, KeyEncryptionKeys.read(file))
    other.open()

    with pytest.raises(Unavailable, match="key-encryption key 2 is not in the key file"):
        other.fetch([subject])
    for ring in (keyring, other):
        ring.close()
