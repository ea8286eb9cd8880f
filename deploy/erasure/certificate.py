"""The certificate of an erasure: the bundle of the customer's records, with what the operator states besides, signed.

The files are those of a bundle (shared/audit/bundle.py), so that `verify.py` checks the records and their proofs, and

    certificate.json   what was done when, which stores confirm it, what a scan found, and what remains
    certificate.note   a signed note by the customer log's key: <origin>/erasure, the customer, SHA-256 of that file

The records prove that an erasure was requested, approved by somebody else and recorded. That the key is gone, that the
stores hold nothing and what the scan found are statements: the signature keeps the operator to them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import orjson

from deploy.auditing import Auditing, Trust
from deploy.canary.report import Report
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.erasure.standing import Standing
from deploy.history import History
from shared.audit import bundle, verify
from shared.audit.keys import AuditKeys
from shared.audit.note import BadNote, Note, Verifier, VerifierKey
from shared.audit.signer import Signer
from shared.clock import SystemClock
from shared.events.envelope import instant

FORMAT = "custlog-erasure/1"
REMAINS = (
    "ids of the customer, its events and commands, which are random and name nobody",
    "the customer number and other numbers that led to the customer, so that they are never given to somebody else",
    "the external id under its source, so that the same registration is not taken for a new one",
    "that events happened, when, by whom and through what; fields of level general and business, such as orders",
    "links to other customers, because their identities rest on them",
    "the sealed parts in logs and topics, which nothing opens any more, and their hashes in the audit tree",
    "who read or exported the customer's data, in the access log",
    "backups of PostgreSQL that were made before: they hold the data key, wrapped by the key-encryption key",
)
"""What an erasure leaves, and why."""
_SIGNED_SECONDS = 60
_POLL = 0.3


def issue(
    history: History,
    home: Home,
    trust: Trust,
    standing: Standing,
    *,
    scan: Report | None = None,
    seconds: float | None = None,
    troubles: Sequence[str] = (),
) -> bytes:
    """The certificate of an erasure that every store has confirmed, as a zip.

    `seconds` is how long after the approval that was seen. EmbeddedError if it is not done yet, or its log is not
    signed that far within a minute.
    """
    if standing.word != "done" or standing.erased is None:
        raise EmbeddedError(
            f"The erasure of {standing.customer} is not done: {', '.join(standing.waiting)} is missing."
        )
    files = _proof(history, home, trust, standing.customer, standing.erased.position)
    content = {
        "format": FORMAT,
        "at": instant(SystemClock().now()),
        "customer": standing.customer,
        "requested": None if standing.requested is None else asdict(standing.requested),
        "approved": None if standing.approved is None else asdict(standing.approved),
        "erased": asdict(standing.erased),
        "ledger": standing.ledger,
        "key_destroyed": standing.key_destroyed,
        "stores": [asdict(store) for store in standing.stores],
        "confirmed_after_seconds": seconds,
        "scan": None if scan is None else scan.as_json(),
        "troubles": list(troubles),
        "remains": list(REMAINS),
    }
    keys = AuditKeys.read(home.audit_keys)
    return bundle.pack(sealed(files, content, keys.origin("customer"), keys.signers("customer")))


def sealed(
    files: Mapping[str, bytes], content: Mapping[str, Any], origin: str, signers: Iterable[Signer]
) -> dict[str, bytes]:
    """The files of a bundle with what is stated besides, signed under the customer log's origin."""
    stated = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    text = _text(origin, content["customer"], stated)
    note = Note(text).signed(*(signer.sign(text) for signer in signers))
    return {**files, "certificate.json": stated, "certificate.note": note.encode()}


def check(content: Mapping[str, bytes], keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey]) -> list[str]:
    """What holds of a certificate, in words. Raises ValueError for the first thing that does not."""
    known = dict([verify.key_of(str(key), 1) for key in keys] + [verify.key_of(str(key), 4) for key in witnesses])
    said = verify.verify(content, known, len(witnesses), [])
    if not {"certificate.json", "certificate.note"} <= content.keys():
        raise ValueError("it is a bundle without a certificate")
    stated = orjson.loads(content["certificate.json"])
    customer = stated["customer"]
    _check_signature(content, keys, customer)
    if stated["format"] != FORMAT or orjson.loads(content["bundle.json"])["customer"] != customer:
        raise ValueError("the certificate is about somebody else than the bundle")
    records = {record["id"]: (index, record) for index, record in _records(content, customer)}
    if _at(records, stated["erased"], "customer.erased") != stated["erased"]["position"]:
        raise ValueError("the erasure stands at another place than the certificate says")
    two = [stated[step] for step in ("requested", "approved") if stated[step] is not None]
    for step, kind in zip(two, ("customer.erasure_requested", "customer.erasure_approved"), strict=False):
        _at(records, step, kind)
    if len(two) == 2 and two[0]["by"] == two[1]["by"]:
        raise ValueError("who requested the erasure approved it too")
    if stated["approved"] is not None and (held := _held(content, customer, stated["approved"]["event"])):
        raise ValueError(f"the erasure was approved while it was held by {', '.join(sorted(held))}")
    said.append(f"proven: the log says at position {stated['erased']['position']} that {customer} is erased")
    if len(two) == 2:
        said.append(f"proven: requested by {two[0]['by']}, approved by {two[1]['by']}")
    return [*said, *_stated(content, stated)]


def origins_in(content: Mapping[str, bytes]) -> set[str]:
    """The origins of the checkpoints in a bundle, which nothing vouches for yet."""
    return {note.decode().partition("\n")[0] for name, note in content.items() if name.endswith("/checkpoint")}


def _stated(content: Mapping[str, bytes], stated: Mapping[str, Any]) -> Iterator[str]:
    """What the operator says, and signed, without a proof."""
    yield f"stated: key destroyed at {stated['key_destroyed']}, in the ledger since {stated['ledger']}"
    if (disclosed := orjson.loads(content.get("keys.json", b"null"))) is not None:
        if disclosed.get(stated["customer"]) is not None:
            raise ValueError("the bundle discloses the customer's key, so it was not destroyed")
        yield "stated: nobody's key is there of those whose data the records hold"
    for store in stated["stores"]:
        if store["position"] < stated["erased"]["position"] or store["left"] or store["parked"]:
            raise ValueError(f"by its own words the store {store['store']} has not carried the erasure out")
        yield f"stated: {store['store']} has applied the log up to {store['position']} and holds nothing derived"
    if (seconds := stated["confirmed_after_seconds"]) is not None:
        yield f"stated: all of them had confirmed it {seconds} s after the approval"
    scan = stated["scan"]
    if scan is None:
        yield "no scan was made: the values were not known any more"
    else:
        found = [place["name"] for place in scan["places"] if place["found"] and place["name"] not in scan["residue"]]
        outcome = "found nothing" if scan["clean"] else f"is NOT clean: {', '.join(found) or 'not all was read'}"
        yield f"stated: a scan of {scan['bytes']:,} bytes for {scan['values']} values {outcome}"
        yield from (f"stated: freed blocks of {place} were not written over yet" for place in scan["residue"])
    yield from (f"stated: {trouble}" for trouble in stated["troubles"])


def _proof(history: History, home: Home, trust: Trust, customer: str, position: int) -> dict[str, bytes]:
    """The files of a bundle whose checkpoint has the erasure."""

    def keys(subjects: set[str]) -> dict[str, bytes] | None:
        # Where another member lives on, its key stays where it is, and nobody's is disclosed.
        return None if history.keyring.fetch(subjects) else {}

    deadline = time.monotonic() + _SIGNED_SECONDS
    while True:
        files = Auditing(home).files(history, customer, trust, keys)
        if any(index == position for index, _ in _records(files, customer)):
            return files
        if time.monotonic() > deadline:
            raise EmbeddedError(f"The customer log is not signed up to {position} yet; see audit in custlog status.")
        time.sleep(_POLL)


def _records(files: Mapping[str, bytes], customer: str) -> Iterator[tuple[int, Any]]:
    for line in files["customer/events.jsonl"].splitlines():
        leaf = orjson.loads(line)
        if leaf["record"]["customer"] == customer:
            yield leaf["index"], leaf["record"]


def _held(files: Mapping[str, bytes], customer: str, approval: str) -> set[str]:
    """The holds that were active at the approval."""
    held: dict[str, str | None] = {}
    for _, record in _records(files, customer):
        data = record["data"]
        if record["type"] == "customer.hold_placed":
            held[data["hold_id"]] = data.get("until")
        elif record["type"] == "customer.hold_lifted":
            held.pop(data["hold_id"], None)
        elif record["id"] == approval:
            day = record["recorded_at"][:10]
            return {hold for hold, until in held.items() if until is None or until >= day}
    return set()


def _at(records: Mapping[str, tuple[int, Any]], told: Mapping[str, Any], kind: str) -> int:
    index, record = records.get(told["event"], (0, {}))
    if record.get("type") != kind or record["actor"]["id"] != told["by"]:
        raise ValueError(f"the log has no {kind} by {told['by']} as the certificate says")
    return index


def _text(origin: str, customer: str, content: bytes) -> str:
    return f"{origin}/erasure\n{customer}\n{sha256(content).hexdigest()}\n"


def _check_signature(content: Mapping[str, bytes], keys: Sequence[VerifierKey], customer: str) -> None:
    try:
        opened = Verifier(keys).open(content["certificate.note"])
    except BadNote as wrong:
        raise ValueError(f"the signature of the certificate does not hold: {wrong}") from None
    origins = {key.name for key in opened.by}
    if not any(opened.text == _text(origin, customer, content["certificate.json"]) for origin in origins):
        raise ValueError("the certificate is not what was signed")
