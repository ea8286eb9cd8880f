"""`custlog erase`: a customer's erasure, from the request to the certificate."""

from __future__ import annotations

import asyncio
import getpass
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.canary.report import Report
from deploy.client import Client, connect
from deploy.commands.audit import trusted
from deploy.commands.options import HomeOption, JsonOption, UserOption, UserTokenOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.erasure import certificate
from deploy.erasure.carrying_out import Watch, begin, let_go
from deploy.erasure.standing import Standing, standing
from deploy.history import History, open_history

CHANNEL = {"Custlog-Channel": "console", "Custlog-Purpose": "erasure"}
REQUESTER, APPROVER = "service", "manager"
"""The roles for which the local issuer makes a token, if none is given."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command is to do."""

    reason: str
    approve: bool
    only_status: bool
    wait: bool
    scan: bool
    also: tuple[Path, ...]
    certificate: Path | None
    seconds: float
    user: str
    token: str

    @property
    def requests(self) -> bool:
        return not (self.approve or self.only_status or self.wait or self.certificate)

    @property
    def waits(self) -> bool:
        return self.wait or self.scan or self.certificate is not None


def erase(
    customer: Annotated[str, typer.Argument(help="A customer number, an id, or SOURCE:EXTERNAL-ID.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is requested, as a code.")] = "requested",
    *,
    approve: Annotated[
        bool, typer.Option("--approve", help="Approve what somebody else requested. There is no way back.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Only tell how far the erasure is.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when every store has confirmed the erasure.")] = False,
    scan: Annotated[
        bool,
        typer.Option("--scan", help="With --approve: search everywhere for the customer's values, before and after."),
    ] = False,
    also: Annotated[
        list[Path] | None,
        typer.Option("--also", help="A folder to be searched too: backups, exports. May be repeated."),
    ] = None,
    proof: Annotated[
        Path | None, typer.Option("--certificate", help="Write the certificate of the erasure, with its proof.")
    ] = None,
    user: UserOption = None,
    token: UserTokenOption = "",
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long to wait at most.")] = 300,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Request the erasure of a customer, approve it as a second person, watch it, and have it certified."""
    asked = _Asked(
        reason, approve, status, wait, scan, tuple(also or ()), proof, seconds, user or getpass.getuser(), token
    )
    if scan and not approve:
        raise EmbeddedError("--scan needs --approve: after an erasure nobody knows any more what to search for.")
    chosen = Home.at(home)
    with steps(quiet=as_json) as tell:
        said = asyncio.run(_erase(chosen, customer, asked, tell))
    if as_json:
        print_json(said.as_json())
    else:
        _show(said, customer, asked)
    if said.scan is not None and not said.scan.clean:
        raise EmbeddedError("The scan is not clean: see the places above, and docs/operations.md, Erasing a customer.")


@dataclass(frozen=True, slots=True)
class _Said:
    standing: Standing
    before: Report | None = None
    scan: Report | None = None
    seconds: float | None = None
    certificate: Path | None = None
    troubles: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            **self.standing.as_json(),
            "before": None if self.before is None else self.before.as_json(),
            "scan": None if self.scan is None else self.scan.as_json(),
            "seconds": self.seconds,
            "certificate": None if self.certificate is None else str(self.certificate),
            "troubles": list(self.troubles),
        }


async def _erase(home: Home, reference: str, asked: _Asked, tell: Callable[[str], None]) -> _Said:
    with open_history(home) as history:
        customer = history.customer(reference)
        now = await standing(history, home, customer)
        if asked.only_status:
            return _Said(now)
        watch: Watch | None = None
        began = time.monotonic()
        role = APPROVER if asked.approve else REQUESTER
        async with connect(home, asked.user, role, token=asked.token) as client:
            if asked.requests:
                await _send(client, customer, "request-erasure", {"reason": asked.reason})
            if asked.approve:
                _check_approvable(now, None if asked.token else asked.user)
                if asked.scan:
                    watch = await begin(history, home, customer, asked.user, also=asked.also, tell=tell)
                began = time.monotonic()
                await _send(client, customer, "approve-erasure", {})
        if not asked.waits:
            return _Said(await standing(history, home, customer))
        said = _Said(await _until_done(history, home, customer, asked.seconds, tell))
        if asked.approve:
            said = replace(said, seconds=round(time.monotonic() - began, 2))
            said = replace(said, troubles=tuple(await asyncio.to_thread(let_go, home, tell)))
        if watch is not None:
            said = replace(said, before=watch.before, scan=await watch.again(tell))
        return said if asked.certificate is None else _certified(history, home, said, asked.certificate)


async def _send(client: Client, customer: str, name: str, body: dict[str, str]) -> None:
    await client.send("POST", "customer", f"/customers/{customer}/{name}", body, CHANNEL)


def _check_approvable(now: Standing, user: str | None) -> None:
    """Says before the service does what stands against an approval, and what to do."""
    path = f"/customers/{now.customer}"
    if now.word == "none":
        raise EmbeddedError(f"Nobody requested the erasure of {now.customer}: custlog erase {now.customer} does.")
    if now.word == "requested" and now.holds:
        held = "; ".join(map(str, now.holds))
        raise EmbeddedError(
            f"Customer {now.customer} is held, so nobody can approve its erasure: {held}."
            f" Wait until the hold is over, or let a manager lift it: POST {path}/lift-hold with its id."
        )
    if now.word == "requested" and now.requested is not None and now.requested.by == user:
        raise EmbeddedError(f"{user} requested this erasure; somebody else has to approve it, with --user or --token.")


async def _until_done(
    history: History, home: Home, customer: str, seconds: float, tell: Callable[[str], None]
) -> Standing:
    deadline = time.monotonic() + seconds
    while True:
        now = await standing(history, home, customer)
        if now.word == "done":
            return now
        if now.word in ("none", "requested"):
            raise EmbeddedError(f"The erasure of {customer} is not approved yet: nothing to wait for.")
        tell(f"Waiting for {', '.join(now.waiting)}")
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"After {seconds:.0f} s still waiting for {', '.join(now.waiting)}; see custlog status, then try"
                " again with --wait."
            )
        await asyncio.sleep(0.2)


def _certified(history: History, home: Home, said: _Said, file: Path) -> _Said:
    trust = trusted(home, None, None)
    content = certificate.issue(
        history, home, trust, said.standing, scan=said.scan, seconds=said.seconds, troubles=said.troubles
    )
    try:
        file.write_bytes(content)
    except OSError as error:
        raise EmbeddedError(f"The certificate cannot be written to {file}: {error.strerror}.") from None
    return replace(said, certificate=file)


def _show(said: _Said, reference: str, asked: _Asked) -> None:
    for line in said.standing.lines():
        STDOUT.print(line, highlight=False, soft_wrap=True)
    if said.seconds is not None:
        STDOUT.print(f"  confirmed by all {said.seconds} s after the approval", highlight=False)
    for when, report in (("before", said.before), ("after", said.scan)):
        if report is not None:
            _show_scan(when, report)
    for trouble in said.troubles:
        STDOUT.print(f"  not done: {trouble}", highlight=False, soft_wrap=True)
    if said.certificate is not None:
        STDOUT.print(
            f"Wrote {said.certificate}; to check it: custlog audit certificate {said.certificate}", highlight=False
        )
    if asked.requests and said.standing.word == "requested":
        STDOUT.print(
            f"Somebody else has to approve it: custlog erase {reference} --approve --user NAME", highlight=False
        )


def _show_scan(when: str, report: Report) -> None:
    size = sum(place.bytes for place in report.places)
    STDOUT.print(f"  scan {when:10} {report.values} values in {size:,} bytes, {report.seconds} s", highlight=False)
    for place in (*report.dirty, *report.unread):
        what = ", ".join(f"{name} {count}" for name, count in place.found.items()) or place.trouble
        STDOUT.print(f"    {place.kind} {place.name}: {what}", highlight=False)
    for place in report.residue:
        STDOUT.print(f"    left over in freed blocks of {place.name}: {', '.join(place.found)}", highlight=False)
    if report.blind:
        STDOUT.print(f"    the scan saw nothing at all in {', '.join(report.blind)}", highlight=False)
