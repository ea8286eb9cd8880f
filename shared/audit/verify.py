"""Verifies what custlog proves about one customer: python verify.py BUNDLE --key KEY ... [--witness KEY ...]

Needs Python 3.11 and `cryptography`, nothing of custlog and no network. Keep your own copy of it, and bring your own
keys: --key of each log (the key's name is the log's origin), --witness of each witness you trust, --since a checkpoint
that you kept; all may be repeated. Prints PASS, or FAIL with the log, the index of the first bad event and the reason.
For each log: its origin is one of yours; log and witnesses signed; it has only grown since your checkpoint; each event
is in it; none of a customer is left out; ciphertexts are those that were logged. At last: the events' links make the
members one; state.json is what the events say. Not proved: what came after the checkpoint; that no link is told only
by a customer outside of the bundle; that what has no key (null in keys.json) or ciphertext was erased, not withheld.
"""

import argparse
import json
import re
import sys
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LIMIT = 256 * 1024 * 1024  # bytes in all files of a bundle
FILES = r"(bundle|state|keys|[a-z]+/(heads|consistency))\.json|[a-z]+/(checkpoint|(events|sealed|inclusion)\.jsonl)"
NOTE = re.compile(r"(([^\n]+)\n(0|[1-9][0-9]{0,18})\n([^\n]{44})\nheads ([^\n]{44})\n)\n((\u2014 [^\n ]+ [^\n ]+\n)+)")
KEYS = ("contact_id", "message_id", "relationship_id", "alias", "field", "purpose", "scheme", "topic", "usage")
COUNTED = {"identifier_added", "tagged", "paid", "returned", "answered", "linked", "separated", "asserted"}
COUNTED |= {"assertion_ended", "review_opened", "review_closed", "approval_requested", "approval_decided"}
Keys = Mapping[tuple[str, bytes], bytes]  # by name and id: its type, 1 of a log and 4 of a witness, and the public key


class Log(NamedTuple):
    text: str
    origin: str
    size: int
    root: bytes
    heads: bytes
    witnesses: Mapping[str, int]  # with the seconds since 1970 that each states


@contextmanager
def at(place: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever cannot be read is not verified
        raise ValueError(f"{place}: {str(error) or type(error).__name__}") from error


def check(holds: object, why: str) -> None:
    if not holds:
        raise ValueError(why)


def exact(read: Callable[[str], Any], write: Callable[[Any], str], text: str) -> Any:
    value = read(text)
    check(write(value) == text, "something in it is not written in the one right way")
    return value


canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
parsed = partial(exact, json.loads, canonical)
unhex: Callable[[str], bytes] = partial(exact, bytes.fromhex, bytes.hex)
base64: Callable[[str], bytes] = partial(exact, b64decode, lambda value: b64encode(value).decode())


def key_of(text: str, kind: int) -> tuple[tuple[str, bytes], bytes]:
    """The key in <name>+<8 hex digits>+<base64 of type and public key>. Raises ValueError unless it is of this type."""
    name, key_id, encoded = text.split("+", 2)
    key = base64(encoded)
    check(sha256(f"{name}\n".encode() + key).hexdigest()[:8] == key_id, f"the key {text} was altered")
    check(key[0] == kind and len(key) == 33, f"the key {text} is not of type {kind}")
    return (name, unhex(key_id)), key


def opened(note: str, keys: Keys) -> Log:
    """The checkpoint in a signed note. Raises if a key's signature is false, or no key of the log has signed."""
    found = NOTE.fullmatch(note)
    if not found:
        raise ValueError("it is no signed checkpoint")
    text, origin, size, root, heads, lines, _ = found.groups()
    signed, witnesses = set[tuple[str, int]](), dict[str, int]()
    for _, name, encoded in (line.split(" ") for line in lines[:-1].split("\n")):
        value, header = base64(encoded), ""
        if key := keys.get((name, value[:4])):
            signature = value[4:]
            if key[0] == 4:
                witnesses[name], signature = int.from_bytes(value[4:12]), value[12:]
                header = f"cosignature/v1\ntime {witnesses[name]}\n"
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, (header + text).encode())
            signed.add((name, key[0]))
    check((origin, 1) in signed, f"no key of yours has signed it as {origin}")
    return Log(text, origin, int(size), base64(root), base64(heads), witnesses)


def climb(index: int, last: int, start: bytes, path: list[str]) -> tuple[bytes, bytes]:
    """The roots of the old and the whole tree that a path leads to (RFC 9162, sections 2.1.3.2 and 2.1.4.2)."""
    check(isinstance(path, list), "its path is no list")
    old = whole = start
    for sibling in map(unhex, path):
        while last and index == last and not index & 1:
            index, last = index >> 1, last >> 1
        check(last and len(sibling) == 32, "its path is too long")
        if index & 1:
            old, whole = sha256(b"\x01" + sibling + old).digest(), sha256(b"\x01" + sibling + whole).digest()
        else:
            whole = sha256(b"\x01" + whole + sibling).digest()
        index, last = index >> 1, last >> 1
    check(not last, "its path is too short")
    return old, whole


def grown(old: Log, new: Log, path: list[str]) -> bool:
    if old.size in {0, new.size}:
        return path == [] and old.root == (new.root if old.size == new.size else sha256().digest())
    check(old.size < new.size, "it is shorter than it was")
    start, rest = (unhex(path[0]), path[1:]) if old.size & (old.size - 1) else (old.root, path)
    height = (old.size & -old.size).bit_length() - 1
    return climb((old.size - 1) >> height, (new.size - 1) >> height, start, rest) == (old.root, new.root)


def checkpoint(name: str, files: Mapping[str, str], keys: Keys, quorum: int, kept: Sequence[Log]) -> Log:
    log = opened(files["checkpoint"], keys)
    check(re.fullmatch(rf".+/{name}(/[0-9]+)?", log.origin), f"{log.origin} is the origin of another log")
    check(len(log.witnesses) >= quorum, f"{len(log.witnesses)} of your witnesses have signed it, not {quorum}")
    olds = [each for each in kept if each.origin == log.origin]
    check(not olds or "consistency.json" in files, "there is no proof that it has grown from your checkpoint")
    if "consistency.json" in files:
        proof = parsed(files["consistency.json"])
        old = opened(proof["old"], keys)
        check(all(old.text == each.text for each in olds) and old.origin == log.origin, "it grew from another log")
        check(grown(old, log, proof["path"]) and len(proof) == 2, "it has not grown from the older checkpoint")
    return log


def data_of(record: Any, sealed: Mapping[str, str], keys: Mapping[str, str | None] | None) -> dict[str, Any]:
    data = dict(record["data"])
    check(sealed.keys() <= record["sealed"].keys(), "it has no such ciphertext")
    for subject, part in record["sealed"].items():
        ct, key = sealed.get(subject), (keys or {}).get(subject)
        check(ct is None or sha256(base64(ct)).hexdigest() == part["ct_sha256"], "its ciphertext was altered")
        if ct is not None and key is not None:
            place = f"{record['log']}|{record['stream']}|{record['seq']}|{record['type']}|{subject}"
            data |= json.loads(AESGCM(base64(key)).decrypt(base64(part["nonce"]), base64(ct), place.encode()))
        else:
            word = "sealed" if keys is None and ct is not None else "erased"
            data |= {name: {word: True} for name in part["fields"]}
    return {name: value for name, value in data.items() if value not in (None, [], {})}


def events(log: Log, name: str, files: Mapping[str, str], members: list[str], opening: Any) -> Iterator[Any]:
    """The record, index and data of each event. Raises unless the files have all of the customers in heads.json."""
    heads = parsed(files["heads.json"])
    check(sorted(heads) == members or (name == "identity" and heads.keys() >= set(members)), "it has other heads")
    ends, versions, index = dict.fromkeys(heads, b""), dict[str, int](), 0
    *rows, rest = zip(*(files[f"{each}.jsonl"].split("\n") for each in ("events", "sealed", "inclusion")), strict=True)
    check(not any(rest), "the last line of a file is cut")
    for line, sealed, path in rows:
        leaf, leaf_hash, last = json.loads(line), sha256(b"\x00" + line.encode()).digest(), index
        index, record = leaf["index"], leaf["record"]
        with at(f"index {index}"):
            check(last < index <= log.size, "it is not in the order of the log")
            check(climb(index - 1, log.size - 1, leaf_hash, parsed(path))[1] == log.root, "it is not in the log")
            check(record["customer"] in ends, "it is of another customer")
            end = ends[record["customer"]]
            check(leaf["prev"] == end[8:].hex(), "the event before it is not the one that the log had")
            version = versions[record["stream"]] = versions.get(record["stream"], 0) + 1
            check(record["seq"] == version and record["log"] == name, "it is not the next of its stream")
            ends[record["customer"]] = (int.from_bytes(end[:8]) + 1).to_bytes(8) + leaf_hash
            data = data_of(record, parsed(sealed), opening)
        yield record, index, data
    for customer, (bucket, *siblings) in heads.items():
        with at(f"head of {customer}"):
            key, packed = sha256(customer.encode()).digest(), unhex(bucket)
            root = climb(int.from_bytes(key[:2]), 0xFFFF, sha256(b"\x00" + packed).digest(), siblings)[1]
            check(root == log.heads, "it is not in the map of heads")
            entries = {packed[each : each + 32]: packed[each + 32 : each + 72] for each in range(0, len(packed), 72)}
            check(entries.get(key, b"") == ends[customer], "its last events are left out")


def verify(files: Mapping[str, bytes], keys: Keys, quorum: int, kept: Sequence[Log]) -> list[str]:
    """What was verified, in words; `kept` are older checkpoints. Raises ValueError."""
    with at("bundle"):
        texts = {name: data.decode() for name, data in files.items()}
        about, opening = parsed(texts["bundle.json"]), parsed(texts.get("keys.json", "null"))
        customer, members = about["customer"], about["members"]
        check(len(about) == 3 and about["format"] == "custlog-bundle/1", "its format is not custlog-bundle/1")
    said, origins, subjects, links = [f"{members} are one"], set[str](), set[str](), set[tuple[str, str]]()
    streams: dict[str, dict[str, Any]] = {name.split("/")[0]: {} for name in sorted(texts) if "/" in name}
    for name, folder in streams.items():
        with at(name):
            its = {each.removeprefix(f"{name}/"): text for each, text in texts.items() if each.startswith(f"{name}/")}
            log = checkpoint(name, its, keys, quorum, kept)
            origins.add(log.origin)
            said.append(f"{log.origin}: all of theirs among {log.size} events, seen by witnesses at {log.witnesses}")
            for record, index, data in events(log, name, its, members, opening):
                subjects.update(record["sealed"])
                kind, seq, about = record["type"], record["seq"], next((data[key] for key in KEYS if key in data), "")
                stream = folder.setdefault(record["stream"], {"said": {}})
                stream["version"], of_kind = seq, stream["said"].setdefault(f"{kind}.v{record['v']}", {})
                of_kind[str(seq) if kind.split(".")[-1] in COUNTED else about] = {"index": index, "data": data}
                if kind == "identity.linked":
                    links.add((min(data["a"], data["b"]), max(data["a"], data["b"])))
                elif kind == "identity.separated":
                    ended = [(min(each["a"], each["b"]), max(each["a"], each["b"])) for each in data.get("links", ())]
                    links = {link for link in links if (link not in ended if ended else data["a"] not in link)}
    with at("bundle"):
        check(origins == {name for (name, _), key in keys.items() if key[0] == 1}, "its logs are not those of the keys")
        check(origins.issuperset(each.origin for each in kept), "it has not the log of a checkpoint that you kept")
        joined = {customer}
        for link in [*links] * len(links):
            joined.update(link if joined.intersection(link) else ())
        check(sorted(joined) == members, "by the links its members are others")
        check(opening is None or opening.keys() == subjects, "its keys are not those of its sealed fields")
        state = canonical({"members": members, "links": sorted(e for e in links if e[0] in joined), "streams": streams})
        check(state == texts["state.json"], "state.json is not what the events say")
    return [*said, f"erased, as they say: {sorted(each for each in subjects if opening and opening[each] is None)}"]


def read(bundle: Path) -> dict[str, bytes]:
    """The files in a bundle. Raises ValueError."""
    files, left = dict[str, bytes](), LIMIT
    with at("zip"), zipfile.ZipFile(bundle) as archive:
        for info in archive.infolist():
            known = re.fullmatch(rf"{FILES}|README\.txt|verify\.py|certificate\.(json|note)", info.filename)
            check(known and info.filename not in files, "a file is there twice or unknown")
            check(info.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}, "it is packed in another way")
            with archive.open(info) as content:
                files[info.filename] = content.read(left + 1)
            check((left := left - len(files[info.filename])) >= 0, f"it has more than {LIMIT} bytes")
    return files


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--witnesses", type=int, help="how many have to have signed; all that are given, if left out")
    for name in ("--key", "--witness", "--since"):
        parser.add_argument(name, action="append", default=[])
    args = parser.parse_args()
    try:
        with at("your keys and checkpoints"):
            keys = dict([key_of(each, 1) for each in args.key] + [key_of(each, 4) for each in args.witness])
            kept = [opened(Path(each).read_bytes().decode(), keys) for each in args.since]
        said = verify(read(args.bundle), keys, len(args.witness) if args.witnesses is None else args.witnesses, kept)
    except ValueError as error:
        sys.exit(ascii(f"FAIL {error}")[1:-1])
    sys.stdout.write("\n".join(["PASS", *(ascii(each)[1:-1] for each in said), ""]))
