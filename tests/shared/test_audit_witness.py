"""A witness cosigns what continues the history it knows, and nothing else."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shared.audit import merkle
from shared.audit.checkpoint import Checkpoint
from shared.audit.note import Note
from shared.audit.signer import Signer
from shared.audit.witness import (
    AddCheckpoint,
    BadRequest,
    NotProven,
    NotSigned,
    Refused,
    Split,
    Stale,
    UnknownLog,
    decide,
    offered,
)

ORIGIN = "custlog/example/customer"
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(40)]
OTHERS = [*LEAVES[:4], merkle.leaf_hash(b"changed"), *LEAVES[5:]]


def signer(seed: int, name: str = ORIGIN) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


OLD_KEY, NEW_KEY = signer(1), signer(2)


def checkpoint(size: int, leaves: list[bytes] = LEAVES, heads: bytes = bytes(32)) -> Checkpoint:
    return Checkpoint(ORIGIN, size, merkle.root(leaves[:size]), heads)


def request(old: int, offer: Checkpoint, *signers: Signer, leaves: list[bytes] = LEAVES) -> AddCheckpoint:
    proof = merkle.consistency_path(leaves[: offer.size], old) if old <= offer.size else []
    signatures = [each.sign(offer.text) for each in signers or (NEW_KEY,)]
    return AddCheckpoint(old, tuple(proof), Note(offer.text).signed(*signatures).encode())


def answer(held: Checkpoint | None, asked: AddCheckpoint) -> type[Refused] | None:
    try:
        decide(held, asked, offered(asked, [OLD_KEY.key, NEW_KEY.key]).checkpoint)
    except Refused as refused:
        return type(refused)
    return None


SEVEN, NINE = checkpoint(7), checkpoint(9)


@pytest.mark.parametrize(
    ("held", "asked", "expected"),
    [
        pytest.param(None, request(0, SEVEN), None, id="the first checkpoint is believed"),
        pytest.param(None, request(0, checkpoint(0)), None, id="an empty log is a log"),
        pytest.param(checkpoint(0), request(0, SEVEN), None, id="an empty log may grow"),
        pytest.param(SEVEN, request(7, NINE), None, id="a log may grow"),
        pytest.param(SEVEN, request(7, SEVEN), None, id="a log may ask again"),
        pytest.param(None, request(3, SEVEN), Stale, id="nothing is held of which a proof could start"),
        pytest.param(NINE, request(7, checkpoint(11)), Stale, id="another size is held"),
        pytest.param(NINE, request(0, NINE), Stale, id="the size held is asked for"),
        pytest.param(NINE, request(7, SEVEN), Stale, id="a smaller size is never cosigned again"),
        pytest.param(NINE, request(9, SEVEN), BadRequest, id="a log does not shrink"),
        pytest.param(NINE, request(9, checkpoint(9, OTHERS)), Split, id="same size, other root"),
        pytest.param(NINE, request(9, checkpoint(9, heads=bytes([1]) * 32)), Split, id="same size, other heads"),
        pytest.param(NINE, request(0, checkpoint(9, OTHERS)), Split, id="two histories are seen at any old size"),
        pytest.param(SEVEN, request(7, checkpoint(9, OTHERS), leaves=OTHERS), NotProven, id="longer, but another one"),
        pytest.param(SEVEN, AddCheckpoint(7, (), request(7, NINE).note), NotProven, id="no proof"),
        pytest.param(None, AddCheckpoint(0, (bytes(32),), request(0, NINE).note), NotProven, id="a proof of nothing"),
        pytest.param(
            None, request(0, Checkpoint(ORIGIN, 0, bytes(32), bytes(32))), NotProven, id="an empty log has one root"
        ),
    ],
)
def test_given_what_is_held_when_a_checkpoint_is_offered_then(
    held: Checkpoint | None, asked: AddCheckpoint, expected: type[Refused] | None
) -> None:
    assert answer(held, asked) is expected


def test_a_stale_request_is_told_the_size_held() -> None:
    with pytest.raises(Stale) as refused:
        decide(NINE, request(0, checkpoint(11)), checkpoint(11))

    assert refused.value.size == 9
    assert not refused.value.suspicious


def test_only_two_histories_and_broken_proofs_are_suspicious() -> None:
    assert {kind for kind in (BadRequest, NotProven, NotSigned, Split, Stale, UnknownLog) if kind.suspicious} == {
        NotProven,
        Split,
    }


@pytest.mark.parametrize("signers", [(OLD_KEY,), (NEW_KEY,), (OLD_KEY, NEW_KEY)])
def test_while_a_key_is_replaced_the_old_the_new_and_both_are_believed(signers: tuple[Signer, ...]) -> None:
    offer = offered(request(7, NINE, *signers), [OLD_KEY.key, NEW_KEY.key])

    assert offer.checkpoint == NINE
    assert [signature.key_id for signature in offer.signatures] == [each.key.key_id for each in signers]


def test_signatures_of_strangers_are_left_out() -> None:
    stranger = signer(9, "stranger.example")

    offer = offered(request(0, NINE, stranger, NEW_KEY, NEW_KEY), [NEW_KEY.key, stranger.key])

    assert [signature.name for signature in offer.signatures] == [ORIGIN]


def test_a_log_of_which_no_key_is_known_is_refused() -> None:
    with pytest.raises(UnknownLog):
        offered(request(0, NINE), [signer(2, "custlog/example/identity").key])


@pytest.mark.parametrize("forger", [signer(9), signer(2, "custlog/example/identity")])
def test_a_checkpoint_that_no_key_of_the_log_has_signed_is_refused(forger: Signer) -> None:
    with pytest.raises(NotSigned):
        offered(request(0, NINE, forger), [OLD_KEY.key, NEW_KEY.key])


def test_a_wrong_signature_by_a_known_key_spoils_the_right_one_of_another() -> None:
    right, other = request(0, NINE, NEW_KEY), OLD_KEY.sign(SEVEN.text)
    spoilt = AddCheckpoint(0, (), Note.parse(right.note).signed(other).encode())

    with pytest.raises(NotSigned):
        offered(spoilt, [OLD_KEY.key, NEW_KEY.key])


@pytest.mark.parametrize("text", ["no checkpoint\n", f"{ORIGIN}\n9\nAAAA\nheads AAAA\n"])
def test_a_note_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        offered(AddCheckpoint(0, (), Note(text).signed(NEW_KEY.sign(text)).encode()), [NEW_KEY.key])


def test_the_body_of_a_request_is_what_the_specification_shows() -> None:
    asked = AddCheckpoint(20852014, (bytes(32), b"\x01" * 32), b"example.com/behind-the-sofa\n...\n")

    assert asked.encode() == (
        b"old 20852014\n"
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        b"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"
        b"\n"
        b"example.com/behind-the-sofa\n...\n"
    )


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple), st.binary())
def test_every_request_is_read_as_it_was_written(old: int, proof: tuple[bytes, ...], note: bytes) -> None:
    asked = AddCheckpoint(old, proof, note)

    assert AddCheckpoint.parse(asked.encode()) == asked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1",
        b"old 1\n",
        b"old 01\n\nx",
        b"old -1\n\nx",
        b"old +1\n\nx",
        b"old \xd9\xa1\n\nx",
        b"Old 1\n\nx",
        b"old 1\r\n\r\nx",
        b"old 1\nAAAA\n\nx",
        b"old 1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n\nx",
        b"old 1\n" + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 64 + b"\nx",
        b"old 99999999999999999999\n\nx",
    ],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        AddCheckpoint.parse(body)


@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda rest: b"old 0\n\n" + rest))
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    with suppress(BadRequest, UnknownLog, NotSigned):
        offered(AddCheckpoint.parse(body), [NEW_KEY.key])


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans(), st.booleans()), max_size=12))
def test_whatever_is_asked_the_witness_holds_one_history_that_only_grows(
    asked: list[tuple[int, int, bool, bool]],
) -> None:
    held: Checkpoint | None = None
    cosigned: list[Checkpoint] = []
    for old, size, knows, other in asked:
        leaves = OTHERS if other else LEAVES
        offer = checkpoint(size, leaves)
        believed = held.size if knows and held else old
        if answer(held, request(believed, offer, leaves=leaves)) is None:
            assert held is None or offer.size >= held.size
            held = offer
            cosigned.append(offer)

    assert any(all(each == checkpoint(each.size, leaves) for each in cosigned) for leaves in (LEAVES, OTHERS))
