"""From a stored record to its leaf in the audit tree.

Leaf data is canonical JSON: {"index": position, "prev": the leaf hash (hex) of the record before in the same chain, ""
for the first, "record": the record without ciphertexts}. In each sealed part "ct_sha256", the SHA-256 (hex) of the
ciphertext, stands for "ct", so that proofs outlive both the destruction of a key and the blanking of ciphertexts. The
leaf hash is SHA-256(0x00 || leaf data), as in RFC 9162.

A chain is all records of one customer in one log; records without a customer chain by their stream.

Only canonical JSON is taken, as shared.eventlog.mapper writes it, so that any altered byte gives another leaf or none.
Pure.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import cast

import msgspec
import orjson

from shared.audit import exact_base64
from shared.audit.heads import Head
from shared.audit.merkle import leaf_hash


class NotARecord(Exception):
    """Bytes are no canonical record: they were altered, or something else wrote them. Fate: stop and alarm; a tree must
    not grow over them. The message names the record's position, never what is in it."""


class Link(msgspec.Struct, frozen=True, gc=False):
    """A record that waits for its place in a chain: `key` names the chain, `record` has no ciphertexts."""

    position: int
    key: bytes
    record: bytes


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """A record's leaf. It is the `count`-th record of its chain, counted from 1."""

    position: int
    key: bytes
    count: int
    hash: bytes


_DIGEST = re.compile(r"[0-9a-f]{64}")


def link(position: int, stored: bytes) -> Link:
    """What the leaf of a record needs but its chain. Raises NotARecord (stop)."""
    try:
        record = orjson.loads(stored)
        # Compared as a whole, which is cheap, so that not even white space can be altered without notice.
        if orjson.dumps(record, option=orjson.OPT_SORT_KEYS) != stored:
            raise NotARecord(f"what is stored at position {position} is not canonical JSON")
        chain: str = record["customer"] or record["stream"]
        sealed = record["sealed"]
        if sealed:
            record["sealed"] = {subject: _without_ciphertext(part) for subject, part in sealed.items()}
            stored = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
        return Link(position, sha256(chain.encode()).digest(), stored)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise NotARecord(f"what is stored at position {position} is no record ({type(error).__name__})") from None


def leaves(links: Iterable[Link], heads: Mapping[bytes, Head]) -> list[Leaf]:
    """The leaves of links in the order of their positions.

    `heads` has the heads before them of those chains that have one. The head of each chain after them is the count and
    hash of its last leaf.
    """
    ends = dict[bytes, Head]()
    made = []
    for each in links:
        head = ends.get(each.key) or heads.get(each.key)
        count, prev = (head.count, head.leaf.hex()) if head else (0, "")
        hashed = leaf_hash(_data(each.position, prev, each.record))
        ends[each.key] = Head(count + 1, hashed)
        made.append(Leaf(each.position, each.key, count + 1, hashed))
    return made


def leaf_data(position: int, prev: str, stored: bytes) -> bytes:
    """The leaf data of the record at a position, after the record with leaf hash `prev` (hex, "" if it is the first).

    Raises NotARecord (stop).
    """
    return _data(position, prev, link(position, stored).record)


def blank(position: int, stored: bytes) -> bytes:
    """The record without its ciphertexts, to be stored in its stead: its leaf is the same. Raises NotARecord (stop)."""
    return link(position, stored).record


def _data(position: int, prev: str, record: bytes) -> bytes:
    return b'{"index":%d,"prev":"%s","record":%s}' % (position, prev.encode(), record)


def _without_ciphertext(part: dict[str, object]) -> dict[str, object]:
    if "ct" not in part:
        if not _DIGEST.fullmatch(cast("str", part["ct_sha256"])):
            raise ValueError
        return part
    if "ct_sha256" in part:
        raise ValueError
    ciphertext = exact_base64.decode(cast("str", part.pop("ct")))
    return {**part, "ct_sha256": sha256(ciphertext).hexdigest()}
