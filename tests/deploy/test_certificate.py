"""What the certificate of an erasure proves to an auditor, and that none can be made of something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest

from deploy.erasure import certificate
from shared.audit import bundle, verify
from shared.audit.leaf import blank
from shared.audit.signer import Signer
from shared.events import customer as events
from tests.support.audit import signing_key
from tests.support.audited import ADA, BEA, KEYS, ORIGINS, SIGNERS, WITNESS, snapshots, told
from tests.support.events import an_id

Files = dict[str, bytes]
LOGS = [signer.key for signer in SIGNERS.values()]
ORIGIN = ORIGINS["customer"]


def erasure(requester: str = "ann", approver: str = "ben") -> Any:
    logs = told()
    logs.tell(ADA, events.ErasureRequested(reason="asked"), by=requester)
    logs.tell(ADA, events.ErasureApproved(), by=approver)
    logs.tell(ADA, events.CustomerErased(), by="eraser")
    return logs


def stated(logs: Any, **changed: Any) -> dict[str, Any]:
    """What an honest operator states."""
    steps: dict[str, Any] = {}
    names = {
        "customer.erasure_requested": "requested",
        "customer.erasure_approved": "approved",
        "customer.erased": "erased",
    }
    for position, stored in enumerate(logs.records["customer"], start=1):
        record = orjson.loads(stored)
        if record["type"] in names:
            at = {
                "by": record["actor"]["id"],
                "at": "then",
                "position": position,
                "event": record["id"],
                "reason": None,
            }
            steps[names[record["type"]]] = at
    position = steps["erased"]["position"]
    return {
        "format": certificate.FORMAT,
        "customer": ADA,
        **steps,
        "ledger": "then",
        "key_destroyed": "then",
        "stores": [{"store": "views", "position": position, "left": 0, "parked": 0}],
        "confirmed_after_seconds": 1.5,
        "scan": None,
        "troubles": [],
        **changed,
    }


def proof(logs: Any, keys: Mapping[str, bytes] | None = None, **options: Any) -> Files:
    return bundle.files(ADA, [ADA, BEA], snapshots(logs, **options), keys={} if keys is None else keys)


def made(logs: Any = None, signer: Signer | None = None, **changed: Any) -> Files:
    logs = logs or erasure()
    own = signer or SIGNERS["customer"]
    return certificate.sealed(proof(logs), stated(logs, **changed), ORIGIN, [own])


def check(files: Files) -> list[str]:
    content = {name: data for name, data in files.items() if name not in {"README.txt", "verify.py"}}
    return certificate.check(content, LOGS, [WITNESS.key])


def test_an_honest_certificate_tells_what_is_proven_and_what_is_stated() -> None:
    said = "\n".join(check(made()))

    assert f"proven: the log says at position {stated(erasure())['erased']['position']} that {ADA} is erased" in said
    assert "proven: requested by ann, approved by ben" in said
    assert "stated: nobody's key is there" in said
    assert "had confirmed it 1.5 s after the approval" in said
    assert "no scan was made" in said


def test_it_is_a_bundle_that_the_auditors_own_program_passes() -> None:
    files = {name: data for name, data in made().items() if name not in {"README.txt", "verify.py"}}

    said = "\n".join(verify.verify(files, KEYS, 1, []))

    assert f"erased, as they say: ['{min(ADA, BEA)}', '{max(ADA, BEA)}']" in said


def test_records_that_were_blanked_prove_the_same() -> None:
    logs = erasure()
    for position, stored in enumerate(logs.records["customer"]):
        if orjson.loads(stored)["customer"] == ADA:
            logs.records["customer"][position] = blank(position + 1, stored)

    assert check(made(logs)) == check(made())


Change = Callable[[Files], Any]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"approved": None, "erased": {"event": "x", "by": "eraser", "position": 1}}, "no customer.erased by eraser"),
        ({"erased": {**stated(erasure())["erased"], "position": 1}}, "at another place"),
        ({"approved": {**stated(erasure())["approved"], "by": "carl"}}, "no customer.erasure_approved by carl"),
        ({"customer": BEA}, "about somebody else"),
        ({"format": "custlog-erasure/2"}, "about somebody else"),
        ({"stores": [{"store": "views", "position": 1, "left": 0, "parked": 0}]}, "views has not carried"),
        ({"stores": [{"store": "views", "position": 99, "left": 1, "parked": 0}]}, "views has not carried"),
        ({"stores": [{"store": "views", "position": 99, "left": 0, "parked": 1}]}, "views has not carried"),
    ],
)
def test_statements_that_the_records_or_themselves_contradict_are_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(made(**changed))


def test_nobody_approves_what_they_requested() -> None:
    with pytest.raises(ValueError, match="approved it too"):
        check(made(erasure("ann", "ann")))


def test_nobody_approves_what_is_held() -> None:
    def held(until: str | None, *, lifted: bool) -> Any:
        logs = told()
        placed = events.HoldPlaced.model_validate({"hold_id": an_id("hold"), "reason": "lawsuit", "until": until})
        logs.tell(ADA, placed, events.ErasureRequested(reason="asked"), by="ann")
        if lifted:
            logs.tell(ADA, events.HoldLifted(hold_id=an_id("hold")), by="ben")
        logs.tell(ADA, events.ErasureApproved(), by="ben")
        return logs.tell(ADA, events.CustomerErased(), by="eraser")

    for logs in (held(None, lifted=False), held("2999-01-01", lifted=False)):
        with pytest.raises(ValueError, match="while it was held"):
            check(made(logs))
    for logs in (held(None, lifted=True), held("2001-01-01", lifted=False)):
        check(made(logs))


def test_a_certificate_that_was_altered_or_signed_by_somebody_else_is_refused() -> None:
    files = made()
    altered = {**files, "certificate.json": files["certificate.json"].replace(b'"then"', b'"soon"', 1)}
    stranger = made(signer=Signer(ORIGIN, signing_key("stranger")))
    for wrong in (altered, stranger, {**files, "certificate.note": b""}):
        with pytest.raises(ValueError, match=r"signed|signature"):
            check(wrong)


def test_a_bundle_alone_and_a_bundle_that_was_altered_are_refused() -> None:
    with pytest.raises(ValueError, match="without a certificate"):
        check(proof(erasure()))
    files = made()
    files["customer/events.jsonl"] = files["customer/events.jsonl"].replace(b'"crm"', b'"web"', 1)
    with pytest.raises(ValueError, match="not in the log"):
        check(files)


def test_a_scan_that_found_something_is_told_as_it_was() -> None:
    place = {"kind": "files", "name": "logs", "bytes": 9, "found": {"name": 1}, "where": [], "control": True}
    scan = {"clean": False, "bytes": 9, "values": 3, "places": [place], "residue": []}

    assert any("is NOT clean: logs" in line for line in check(made(scan=scan)))
    assert any("found nothing" in line for line in check(made(scan={**scan, "clean": True, "places": []})))
    left_over = check(made(scan={**scan, "clean": True, "residue": ["logs"]}))
    assert any("freed blocks of logs were not written over yet" in line for line in left_over)
