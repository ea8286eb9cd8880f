"""A bundle: everything that the logs hold about one customer, with the proof that it is just that, as a zip.

`verify.py`, which the bundle carries too, tells how it is verified. The files:

    bundle.json             {"format", "customer", "members": the customers that are one with it}
    <log>/checkpoint        the signed note, with the cosignatures of witnesses
    <log>/events.jsonl      leaf data, by index
    <log>/sealed.jsonl      for each event the ciphertexts that are still there: {subject: base64}
    <log>/inclusion.jsonl   for each event its inclusion path: [hex]
    <log>/heads.json        {customer: [its packed bucket of the map of heads, the 16 siblings: hex]}: of the members,
                            and in the identity log of customers whose link with a member ended
    <log>/consistency.json  {"old": an older checkpoint, "path": [hex]}, where one was asked for
    keys.json               {subject: base64 of its data key, null where that is destroyed}, where it was asked for
    state.json              what the events say (shared.audit.state)
    README.txt, verify.py   for people

All JSON is canonical, and equal snapshots make equal bytes. Who asks for keys gets personal data: that is to be
recorded as an access.
"""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import orjson

from shared.audit import exact_base64
from shared.audit.checkpoint import Checkpoint
from shared.audit.heads import bucket_of
from shared.audit.leaf import leaf_data
from shared.audit.merkle import leaf_hash
from shared.audit.note import Note
from shared.audit.state import Stored, fold, links_of, members_of
from shared.audit.tiles import HEIGHT, Tile, consistency_proof, edge, inclusion_proof

FORMAT = "custlog-bundle/1"
README = """\
What this is: all events of one customer (bundle.json) in the logs of a custlog system up to the checkpoints in the
folders, with proof that none is missing, added or changed.

state.json is what they say, in one piece: the "links" that hold (identity.linked, with no end separated later), the
"members" they connect, and by log and stream its "version" and what was "said": by type of event, in it by what names
one of several things of a kind (verify.py, KEYS; the event's seq if COUNTED there; else ""), the last event's index
and data. There null, [] and {} are left out; a sealed field is {"sealed": true} without keys.json, {"erased": true}
once nobody can read it.

To verify it: take a verify.py and the verifier keys of the logs and witnesses that did not come with this file, then

    python verify.py BUNDLE --key KEY ... --witness KEY ...

with the key of each log that has a folder here, and of each witness you trust.

README.txt and verify.py are here for convenience, and nothing vouches for them.
"""
_VERIFIER = Path(__file__).with_name("verify.py")


class Unprovable(Exception):
    """The members given are not those whom the links in the logs connect; these may have changed just now. Fate: read
    the members again and retry."""


class Snapshot(Protocol):
    """One log at its newest checkpoint, which tree, map and records are read with: they belong together."""

    @property
    def note(self) -> bytes:
        """The signed checkpoint."""

    @property
    def checkpoint(self) -> Checkpoint: ...

    def tiles(self, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        """Those of the wanted tiles that there are."""

    def buckets(self, numbers: Sequence[int]) -> Mapping[int, bytes]:
        """The packed bytes of each bucket of the map of heads; an empty one may be left out."""

    def siblings(self, numbers: Sequence[int]) -> Mapping[int, Sequence[bytes]]:
        """The 16 hashes that lead from each bucket to the map's root."""

    def records(self, chains: Sequence[str]) -> Sequence[Stored]:
        """The records of these chains by position. Those after the checkpoint may be among them."""


def make(
    customer: str,
    members: Iterable[str],
    logs: Mapping[str, Snapshot],
    *,
    keys: Mapping[str, bytes] | None = None,
    since: Mapping[str, bytes] | None = None,
) -> bytes:
    """The zip. `keys` are the data keys (32 bytes) of subjects to be disclosed, `since` older checkpoints by log.

    With keys given, a subject that has none counts as erased. Raises Unprovable (retry), ValueError if an older
    checkpoint is beyond the log, BadTile or NotARecord (stop: what is stored was altered), BadSeal for a wrong key.
    """
    return pack(files(customer, members, logs, keys=keys, since=since))


def files(
    customer: str,
    members: Iterable[str],
    logs: Mapping[str, Snapshot],
    *,
    keys: Mapping[str, bytes] | None = None,
    since: Mapping[str, bytes] | None = None,
    former: Iterable[str] = (),
) -> dict[str, bytes]:
    """The files of a bundle by name; as `make`.

    `former` are customers who were one with the members once: a separation may be told with an event of theirs.
    """
    members = sorted({customer, *members})
    records = {name: _records(snapshot, members) for name, snapshot in logs.items()}
    links = links_of(records.get("identity", ()))
    former = sorted({end for link in links for end in link}.union(former) - set(members))
    if former and "identity" in records:
        records["identity"] = _records(logs["identity"], [*members, *former])
        links = links_of(records["identity"])
    if members_of(customer, links) != members:
        raise Unprovable(f"the members given for customer {customer} are not those that the logs link with it")
    made: dict[str, bytes] = {
        "bundle.json": _json({"format": FORMAT, "customer": customer, "members": members}),
        "state.json": _json(fold(members, links, records, keys)),
        "README.txt": README.encode(),
        "verify.py": _VERIFIER.read_bytes(),
    }
    if keys is not None:
        subjects = {
            subject for stored in records.values() for _, each in stored for subject in orjson.loads(each)["sealed"]
        }
        made["keys.json"] = _json(
            {subject: exact_base64.encode(keys[subject]) if subject in keys else None for subject in subjects}
        )
    for name, snapshot in logs.items():
        chains = [*members, *former] if name == "identity" else members
        proof = _log(snapshot, chains, records[name], (since or {}).get(name))
        made |= {f"{name}/{file}": content for file, content in proof.items()}
    return made


def pack(files: Mapping[str, bytes]) -> bytes:
    """The files as a zip, in the order of their names and without times."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _records(snapshot: Snapshot, chains: Sequence[str]) -> list[Stored]:
    size = snapshot.checkpoint.size
    return [(position, stored) for position, stored in snapshot.records(chains) if position <= size]


def _log(snapshot: Snapshot, chains: Sequence[str], records: Sequence[Stored], old: bytes | None) -> dict[str, bytes]:
    """The files of one log's folder."""
    size = snapshot.checkpoint.size
    tiles = _Tiles(snapshot, [position - 1 for position, _ in records], size)
    paths = (inclusion_proof(position - 1, size, tiles.read) for position, _ in records)
    made = {
        "checkpoint": snapshot.note,
        "events.jsonl": b"".join(leaf + b"\n" for leaf in _leaves(records)),
        "sealed.jsonl": b"".join(_json(_ciphertexts(stored)) + b"\n" for _, stored in records),
        "inclusion.jsonl": b"".join(_json(_hex(path)) + b"\n" for path in paths),
        "heads.json": _json(_heads(snapshot, chains)),
    }
    if old is not None:
        note = Note.parse(old)
        earlier = Checkpoint.parse(note.text)
        path = consistency_proof(earlier.size, size, tiles.read)
        # Who witnessed it does not matter any more: the present checkpoint is witnessed.
        own = Note(note.text, tuple(each for each in note.signatures if each.name == earlier.origin))
        made["consistency.json"] = _json({"old": own.encode().decode(), "path": _hex(path)})
    return made


def _leaves(records: Iterable[Stored]) -> Iterable[bytes]:
    ends: dict[str, str] = {}
    for position, stored in records:
        customer = orjson.loads(stored)["customer"]
        leaf = leaf_data(position, ends.get(customer, ""), stored)
        ends[customer] = leaf_hash(leaf).hex()
        yield leaf


def _ciphertexts(stored: bytes) -> dict[str, str]:
    return {subject: part["ct"] for subject, part in orjson.loads(stored)["sealed"].items() if "ct" in part}


def _heads(snapshot: Snapshot, chains: Sequence[str]) -> dict[str, list[str]]:
    numbers = {chain: bucket_of(sha256(chain.encode()).digest()) for chain in chains}
    wanted = sorted(set(numbers.values()))
    buckets, siblings = snapshot.buckets(wanted), snapshot.siblings(wanted)
    return {chain: _hex([buckets.get(number, b""), *siblings[number]]) for chain, number in numbers.items()}


class _Tiles:
    """The tiles of a snapshot, those that lead from some leaves to the root read at once."""

    def __init__(self, snapshot: Snapshot, leaves: Sequence[int], size: int) -> None:
        self._snapshot = snapshot
        levels = range(-(-size.bit_length() // HEIGHT))
        above = {(level, leaf >> HEIGHT * (level + 1)) for leaf in leaves for level in levels}
        self._held = dict(snapshot.tiles(sorted(above.union(edge(size)))))

    def read(self, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        if missing := [tile for tile in wanted if tile not in self._held]:
            self._held.update(self._snapshot.tiles(missing))
        return self._held


def _hex(values: Iterable[bytes]) -> list[str]:
    return [value.hex() for value in values]


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
