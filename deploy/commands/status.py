"""`custlog status`: servers, services, and what every service says of itself."""

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import typer
from rich.table import Table

from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.embedded import ports
from deploy.embedded.home import Home, Running
from deploy.embedded.ports import LOOPBACK
from deploy.embedded.witness import WitnessProcess


@dataclass(frozen=True)
class Seen:
    """One process as it looks at this moment. `detail` is the readiness answer of a service or the witness."""

    name: str
    kind: str
    up: bool
    ready: bool
    pid: int | None
    port: int
    restarts: int
    detail: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Without the address: it may hold a password."""
        entry = {"up": self.up, "ready": self.ready, "pid": self.pid, "port": self.port, "restarts": self.restarts}
        return entry | ({"readiness": self.detail} if _tells(self.name, self.kind) else {})


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what runs and how it is. Exit code 0 only if all of it is ready."""
    chosen = Home.at(home)
    state = chosen.read_state() if chosen.is_locked() else None
    seen = [_look(entry, "server") for entry in state.servers.values()] if state else []
    seen += [_look(entry, "service") for entry in state.services.values()] if state else []
    said = state.status if state else "stopped"
    if as_json:
        kinds = {kind: {it.name: it.as_json() for it in seen if it.kind == kind} for kind in ("server", "service")}
        print_json({"home": str(chosen.data), "status": said, "servers": kinds["server"], "services": kinds["service"]})
    else:
        _show(chosen, said, seen)
    if said != "ready" or not all(it.ready for it in seen):
        raise typer.Exit(1)


def _look(entry: Running, kind: str) -> Seen:
    answer: dict[str, Any] = {}
    ready = up = ports.accepts(entry.port)
    if _tells(entry.name, kind) and up:
        ready, answer = _ask(entry.port)
    return Seen(entry.name, kind, up, ready, entry.pid, entry.port, entry.restarts, answer)


def _tells(name: str, kind: str) -> bool:
    """Whether a process says itself how it is."""
    return kind == "service" or name == WitnessProcess.name


def _ask(port: int) -> tuple[bool, dict[str, Any]]:
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=5)) as connection:
        try:
            connection.request("GET", "/health/ready")
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            return False, {"error": type(error).__name__}
    return response.status == http.client.OK, answer if isinstance(answer, dict) else {}


def _show(home: Home, said: str, seen: list[Seen]) -> None:
    STDOUT.print(f"{home.data}: {said}", highlight=False)
    if not seen:
        return
    table = Table("", "", "process", "port", "restarts", "lag", "parked", box=None)
    for it in seen:
        answer = "ready" if it.ready else "up, not ready" if it.up else "down"
        parked = it.detail.get("parked")
        cells = (it.pid, it.port, it.restarts, total_lag(it.detail), "" if parked is None else parked)
        table.add_row(it.name, answer, *map(str, cells))
    STDOUT.print(table)
    for it in seen:
        for line in remarks(it.detail):
            STDOUT.print(f"{it.name}: {line}", highlight=False, markup=False, soft_wrap=True)


def total_lag(readiness: Mapping[str, Any]) -> str:
    """The sum of all lags of a service, `?` if one of them is not known, nothing if it told none."""
    lags = readiness.get("lag")
    if lags is None:
        return ""
    return "?" if None in lags.values() else str(sum(lags.values()))


def remarks(readiness: Mapping[str, Any]) -> list[str]:
    """What is not as it should be, a line each: checks that fail, then where records wait."""
    checks = [f"{name} {said}" for name, said in readiness.get("checks", {}).items() if said != "ok"]
    error = [f"its readiness cannot be read: {readiness['error']}"] if "error" in readiness else []
    lags = readiness.get("lag") or {}
    waiting = [f"{name} is {records} behind" for name, records in lags.items() if records]
    return error + checks + waiting
