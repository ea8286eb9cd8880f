"""Leaves of the audit tree: what they are made of, how they chain, and that blanking does not change them."""

import json
from base64 import b64decode, b64encode
from contextlib import suppress
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.audit.heads import Head
from shared.audit.leaf import NotARecord, blank, leaf_data, leaves, link
from shared.audit.merkle import leaf_hash

KEYS = st.text(max_size=5) | st.sampled_from(["ct", "ct_sha256", "sealed", '"ct":"', '{"ct":"', "customer"])
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | KEYS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=8,
)
PARTS = st.fixed_dictionaries(
    {
        "key": st.just("1"),
        "nonce": st.just("AAAAAAAAAAAAAAAA"),
        "ct": st.binary(max_size=40).map(lambda ct: b64encode(ct).decode()),
        "fields": st.lists(KEYS, max_size=2),
    }
)
RECORDS = st.fixed_dictionaries(
    {
        "customer": st.sampled_from(["c1", "c2", "c3", ""]),
        "stream": st.sampled_from(["order-1", "ticket-1", "sealed"]),
        "data": TREES,
        "sealed": st.dictionaries(KEYS, PARTS, max_size=2),
        "seq": st.integers(1, 9),
        "type": KEYS,
        "v": st.just(1),
    }
)


def canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def without_ciphertexts(record: dict[str, Any]) -> dict[str, Any]:
    record = json.loads(json.dumps(record))
    for part in record["sealed"].values():
        part["ct_sha256"] = sha256(b64decode(part.pop("ct"))).hexdigest()
    return record


def example(**changes: Any) -> dict[str, Any]:
    part = {"key": "1", "nonce": "AAAAAAAAAAAAAAAA", "ct": "c2VjcmV0", "fields": ["name"]}
    whole = {"customer": "c1", "data": {"ct": "x"}, "sealed": {"c1": part}, "seq": 1, "stream": "s", "type": "t"}
    return {**whole, **changes}


@given(RECORDS)
def test_leaf_data_is_the_canonical_json_of_place_predecessor_and_record(record: dict[str, Any]) -> None:
    expected = canonical({"index": 7, "prev": "ab" * 32, "record": without_ciphertexts(record)})

    assert leaf_data(7, "ab" * 32, canonical(record)) == expected


@given(RECORDS)
def test_a_blanked_record_has_the_same_leaf_and_no_ciphertext(record: dict[str, Any]) -> None:
    stored = canonical(record)
    blanked = blank(7, stored)

    assert blanked == canonical(without_ciphertexts(record))
    assert blank(7, blanked) == blanked
    assert leaf_data(7, "", blanked) == leaf_data(7, "", stored)


@given(RECORDS, RECORDS)
def test_a_record_without_ciphertexts_for_some_subjects_only_has_the_same_leaf(
    record: dict[str, Any], other: dict[str, Any]
) -> None:
    half = {**record, "sealed": {**record["sealed"], **without_ciphertexts(other)["sealed"]}}
    whole = {**record, "sealed": {**record["sealed"], **other["sealed"]}}

    assert leaf_data(1, "", canonical(half)) == leaf_data(1, "", canonical(whole))


@given(st.lists(RECORDS, max_size=12), st.integers(0, 12))
def test_every_leaf_names_the_one_before_it_in_the_chain_of_its_customer(
    records: list[dict[str, Any]], cut: int
) -> None:
    expected: list[tuple[int, bytes, int, bytes]] = []
    ends: dict[str, tuple[int, bytes]] = {}
    for position, record in enumerate(records, 1):
        chain = record["customer"] or record["stream"]
        count, last = ends.get(chain, (0, b""))
        leaf = leaf_hash(leaf_data(position, last.hex(), canonical(record)))
        ends[chain] = (count + 1, leaf)
        expected.append((position, sha256(chain.encode()).digest(), count + 1, leaf))

    links = [link(position, canonical(record)) for position, record in enumerate(records, 1)]
    first = leaves(links[:cut], {})
    second = leaves(links[cut:], {leaf.key: Head(leaf.count, leaf.hash) for leaf in first})

    assert [(leaf.position, leaf.key, leaf.count, leaf.hash) for leaf in first + second] == expected


def test_the_leaf_of_a_known_record_is_known_for_ever() -> None:
    (leaf,) = leaves([link(1, canonical(example()))], {})

    assert leaf.key.hex() == "d0f631ca1ddba8db3bcfcb9e057cdc98d0379f1bee00e75a545147a27dadd982"
    assert leaf.hash.hex() == "645d1cf6b81b3bc04181cf8b8fa7a392188217f0979f7d6ee150de7d686cb057"


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"no JSON",
        b"[]",
        b"{}",
        b"\xff",
        canonical(example()) + b"\n",
        b" " + canonical(example()),
        json.dumps(example(), sort_keys=True).encode(),
        orjson.dumps({"v": 1, **example()}),
        canonical(example()).replace(b'"type":"t"', b'"type":"s","type":"t"'),
        canonical(example()).replace(b'"seq":1', b'"seq":1e0'),
        canonical(example(customer=3)),
        canonical({name: value for name, value in example().items() if name != "sealed"}),
        canonical(example(sealed=["ct"])),
        canonical(example(sealed={"c1": "ct"})),
        canonical(example(sealed={"c1": {"fields": []}})),
        canonical(example(sealed={"c1": {"ct": 3}})),
        canonical(example(sealed={"c1": {"ct": "not base64"}})),
        canonical(example(sealed={"c1": {"ct": "AB=="}})),
        canonical(example(sealed={"c1": {"ct_sha256": "AB" * 32}})),
        canonical(example(sealed={"c1": {"ct_sha256": "ab" * 32, "ct": ""}})),
    ],
)
def test_bytes_that_are_no_canonical_record_are_refused_by_their_position(stored: bytes) -> None:
    with pytest.raises(NotARecord, match="position 7"):
        link(7, stored)


@given(st.binary(max_size=30))
def test_no_bytes_are_refused_in_any_other_way(stored: bytes) -> None:
    with pytest.raises(NotARecord):
        link(7, stored)


@given(RECORDS, st.data())
def test_an_altered_byte_gives_another_leaf_or_none(record: dict[str, Any], data: st.DataObject) -> None:
    stored = bytearray(canonical(record))
    original = leaf_data(1, "", bytes(stored))
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with suppress(NotARecord):
        assert leaf_data(1, "", bytes(stored)) != original
