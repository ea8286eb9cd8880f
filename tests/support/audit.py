"""Audited logs in memory: records as the logs store them, and snapshots as bundles are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.audit import tiles
from shared.audit.checkpoint import Checkpoint
from shared.audit.heads import Head, HeadTree, bucket_of, pack
from shared.audit.leaf import leaves, link
from shared.audit.merkle import leaf_hash
from shared.audit.note import Note, Signature
from shared.audit.signer import Cosigner, Signer
from shared.audit.tiles import Tile
from shared.eventlog.mapper import encode
from shared.events.envelope import Actor, Cause, Contract
from shared.ids import derive
from shared.privacy.sealing import DataKey
from tests.support.events import LOG_OF

AT = "2026-03-01T09:00:00.000000Z"
NOW = 1_772_355_600


def signing_key(name: str) -> Ed25519PrivateKey:
    """The same key for the same name."""
    return Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())


def data_key(subject: str) -> bytes:
    return sha256(f"data key of {subject}".encode()).digest()


class StoredLogs:
    """Logs that are written in the order in which they are told; a position is a place in `records`, from 1."""

    def __init__(self) -> None:
        self.records: dict[str, list[bytes]] = {"customer": [], "identity": [], "notifications": []}
        self._seqs: dict[str, int] = defaultdict(int)

    def tell(self, customer: str, *told: Contract, stream: str | None = None, by: str = "u1") -> StoredLogs:
        """Adds events about one customer, sealed with the key that `data_key` has for it."""
        for event in told:
            log = LOG_OF[event.TYPE]
            name = stream or f"{log}-{customer}"
            self._seqs[name] += 1
            this = derive("event", log, str(len(self.records[log])))
            stored = encode(
                event,
                Cause(Actor(id=by, kind="user"), "counter", "service", this, this, this),
                event_id=this,
                log=log,
                stream=name,
                seq=self._seqs[name],
                customer=customer,
                recorded_at=AT,
                occurred_at=AT,
                keys={customer: DataKey(customer, "1", AESGCM(data_key(customer)))},
            )
            self.records[log].append(stored)
        return self


class MemorySnapshot:
    """One log with tree, map and signed checkpoint. `size` may be more than the records given; the rest are hashes."""

    def __init__(
        self,
        origin: str,
        records: Mapping[int, bytes],
        *,
        size: int | None = None,
        signers: Sequence[Signer] = (),
        cosigners: Sequence[Cosigner] = (),
        later: Mapping[int, bytes] | None = None,
    ) -> None:
        size = max(records, default=0) if size is None else size
        self._records = dict(sorted({**records, **(later or {})}.items()))
        made = leaves((link(position, stored) for position, stored in records.items()), {})
        hashes = {leaf.position: leaf.hash for leaf in made}
        filled = [hashes.get(position) or leaf_hash(b"%d" % position) for position in range(1, size + 1)]
        self._tiles = tiles.grow(0, {}, filled)
        heads: dict[int, dict[bytes, Head]] = defaultdict(dict)
        for leaf in made:
            heads[bucket_of(leaf.key)][leaf.key] = Head(leaf.count, leaf.hash)
        self._buckets = {number: pack(inside) for number, inside in heads.items()}
        self._map = HeadTree({number: leaf_hash(packed) for number, packed in self._buckets.items()})
        self.checkpoint = Checkpoint(origin, size, tiles.root(size, self.tiles), self._map.root)
        self.note = sign(self.checkpoint, signers or (Signer(origin, signing_key(origin)),), cosigners)

    def tiles(self, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        return {tile: self._tiles[tile] for tile in wanted if tile in self._tiles}

    def buckets(self, numbers: Sequence[int]) -> Mapping[int, bytes]:
        return {number: self._buckets[number] for number in numbers if number in self._buckets}

    def siblings(self, numbers: Sequence[int]) -> Mapping[int, list[bytes]]:
        return {number: self._map.siblings(number) for number in numbers}

    def records(self, chains: Sequence[str]) -> list[tuple[int, bytes]]:
        keys = {sha256(chain.encode()).digest() for chain in chains}
        return [(position, stored) for position, stored in self._records.items() if link(position, stored).key in keys]


def sign(checkpoint: Checkpoint, signers: Sequence[Signer], cosigners: Sequence[Cosigner] = ()) -> bytes:
    """The checkpoint as a note that all of these signed."""
    text = checkpoint.text
    signatures: list[Signature] = [signer.sign(text) for signer in signers]
    return Note(text).signed(*signatures, *(each.sign(text, NOW) for each in cosigners)).encode()
