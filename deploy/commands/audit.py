"""`custlog audit`: what auditors ask."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from deploy.auditing import Auditing, Trust, read_checkpoint
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.erasure import certificate as certificates
from deploy.erasure.certificate import origins_in
from deploy.history import open_history
from deploy.trail import bundles
from deploy.trail.asker import PURPOSE, PurposeOption, TokenOption, asker
from shared.atomic_file import replace
from shared.audit.inspection import Verdict
from shared.audit.keys import AuditKeys
from shared.audit.note import BadKey
from shared.audit.verify import read as read_bundle
from shared.events.catalogue import LOGS

KeysOption = Annotated[
    list[str] | None, typer.Option("--key", help="Verifier key of a log; the system's own published keys if none.")
]
WitnessesOption = Annotated[list[str] | None, typer.Option("--witness", help="Verifier key of a witness.")]


def verify(
    logs: Annotated[list[str] | None, typer.Option("--log", help="Only this log; may be repeated.")] = None,
    since: Annotated[
        list[Path] | None, typer.Option("--since", help="A checkpoint kept elsewhere, which has to be of this history.")
    ] = None,
    keys: KeysOption = None,
    *,
    witnesses: WitnessesOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read every record of the logs and compare all of it with what was signed."""
    chosen = Home.at(home)
    trust = trusted(chosen, keys, witnesses)
    kept = dict(read_checkpoint(file) for file in since or ())
    names = logs or [log for log in LOGS if log in trust.logs]
    if unknown := sorted(set(names) - set(LOGS)):
        raise EmbeddedError(f"There is no log {', '.join(unknown)}; there are {', '.join(LOGS)}.")
    auditing = Auditing(chosen)
    found: dict[str, Verdict] = {}
    began = time.monotonic()
    with steps(quiet=as_json) as say:
        for log in names:
            say(f"Reading the {log} log")
            found[log] = auditing.verify(log, trust, kept.get(log))
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        verdicts = {log: {**asdict(verdict), "ok": verdict.ok} for log, verdict in found.items()}
        print_json({"ok": _all_ok(found), "seconds": seconds, "logs": verdicts})
    else:
        for log, verdict in found.items():
            STDOUT.print(_line(log, verdict), highlight=False)
    if not _all_ok(found):
        raise EmbeddedError("What the logs hold is not what was signed: keep everything as it is, and find out why.")


def prove(
    customer: Annotated[str, typer.Argument(help="A customer number, an id, or SOURCE:EXTERNAL-ID.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle to write.")],
    *,
    disclose: Annotated[
        bool, typer.Option("--disclose", help="With the keys that open the personal fields; handle it as such data.")
    ] = False,
    since: Annotated[
        list[Path] | None, typer.Option("--since", help="A checkpoint that the auditor kept, to prove growth from.")
    ] = None,
    purpose: PurposeOption = PURPOSE,
    token: TokenOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write all records about a customer with the proof that they are all, and the program that checks it.

    That it leaves is recorded before it is written; who has the file finds it with custlog audit watermark --file.
    """
    chosen = Home.at(home)
    access = asker(chosen, token).access("AUDIT prove", purpose)
    trust = trusted(chosen, None, None)
    kept = dict(read_checkpoint(file) for file in since or ())
    began = time.monotonic()
    with open_history(chosen) as history:
        about = history.customer(customer)
        proof = Auditing(chosen).prove(history, about, trust, disclose=disclose, since=kept)
    mark = bundles.leave(chosen, access, about, proof)
    try:
        replace(output, proof, 0o600 if disclose else 0o644)
    except OSError as error:
        raise EmbeddedError(f"The bundle cannot be written to {output}: {error.strerror}.") from None
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        print_json(
            {"bundle": str(output), "bytes": len(proof), "seconds": seconds, "disclosed": disclose, "watermark": mark}
        )
    else:
        STDOUT.print(f"Wrote {output}: {len(proof):,} bytes in {seconds} s.", highlight=False)
        origins = AuditKeys.read(chosen.audit_keys)
        keys = [
            f"--key '{key}'" for log, known in trust.logs.items() for key in known if key.name == origins.origin(log)
        ]
        keys += [f"--witness '{key}'" for key in trust.witnesses]
        STDOUT.print(f"To check it: python verify.py {output} {' '.join(keys)}", highlight=False, soft_wrap=True)


def certificate(
    file: Annotated[Path, typer.Argument(help="What custlog erase --certificate wrote.")],
    keys: KeysOption = None,
    witnesses: WitnessesOption = None,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the certificate of an erasure: its records and proofs, its signature, and that both say the same."""
    trust = trusted(Home.at(home), keys, witnesses)
    try:
        content = read_bundle(file)
        named = origins_in(content)
        known = [key for of_log in trust.logs.values() for key in of_log if keys or key.name in named]
        said = certificates.check(content, known, trust.witnesses)
    except (ValueError, TypeError, LookupError, OSError) as wrong:
        raise EmbeddedError(f"{file} is no certificate to be believed: {wrong}") from None
    if as_json:
        print_json({"ok": True, "said": said})
        return
    STDOUT.print("PASS", highlight=False)
    for line in said:
        STDOUT.print(f"  {line}", highlight=False, soft_wrap=True)


def trusted(home: Home, keys: list[str] | None, witnesses: list[str] | None) -> Trust:
    """Whom to believe: whoever the auditor names, else whoever the system names. EmbeddedError for what is no key."""
    try:
        own = Trust.of_system(home.audit_keys) if not keys or not witnesses else None
        given = Trust.of_auditor(keys or (), witnesses or ())
    except (BadKey, OSError) as wrong:
        raise EmbeddedError(f"{wrong}.") from None
    logs = given.logs or (own.logs if own else {})
    return Trust(logs, given.witnesses or (own.witnesses if own else ()))


def _all_ok(found: dict[str, Verdict]) -> bool:
    return all(verdict.ok for verdict in found.values())


def _line(log: str, verdict: Verdict) -> str:
    if not verdict.ok:
        where = f"{verdict.first}" if verdict.first == verdict.last else f"{verdict.first} to {verdict.last}"
        return f"{log}: FAIL at position {where}: {verdict.reason}"
    seen = {True: ", countersigned by a witness", False: ", NOT countersigned by a witness", None: ""}[verdict.cosigned]
    return f"{log}: PASS, {verdict.size:,} records, {verdict.checkpoints:,} checkpoints{seen}"
