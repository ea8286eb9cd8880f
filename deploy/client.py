"""The services of a running system as a client sees them: HTTP with a signed token, nothing else."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home, State
from shared.access.tokens import issue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SWEEPS = 3
RENEW_SECONDS = 600
"""Tokens are issued for an hour."""
SWEEP_SECONDS = 0.15


@dataclass(slots=True)
class Client:
    """One user with some roles, talking to the services of one system."""

    home: Home
    user: str
    roles: tuple[str, ...]
    http: httpx.AsyncClient
    _token: str = field(default="", repr=False)
    _renew_at: float = 0.0

    @property
    def state(self) -> State:
        """Where everything is now; a process may have moved after a restart. EmbeddedError if nothing runs."""
        return running_state(self.home)

    def url(self, service: str, path: str) -> str:
        return f"{self.state.services[service].url}{path}"

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}", **(more or {})}

    def token(self) -> str:
        """A signed token that is valid for a while yet."""
        if time.monotonic() >= self._renew_at:
            self._token = issue(self.home.keys, self.user, self.roles)
            self._renew_at = time.monotonic() + RENEW_SECONDS
        return self._token

    async def get(self, service: str, path: str, **params: Any) -> Any:
        """The JSON at a path. Raises EmbeddedError with the service's own sentence."""
        answer = await self.http.get(self.url(service, path), params=params, headers=self.headers())
        return _content(answer)

    async def send(
        self, method: str, service: str, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """A command. Raises EmbeddedError with the service's own sentence."""
        answer = await self.http.request(method, self.url(service, path), json=body, headers=self.headers(headers))
        _content(answer)
        return answer

    async def ready(self) -> dict[str, dict[str, Any]]:
        """What every service says of itself; a service that does not answer says nothing."""
        said: dict[str, dict[str, Any]] = {}
        for service in self.state.services:
            try:
                said[service] = (await self.http.get(self.url(service, "/health/ready"))).json()
            except (httpx.HTTPError, ValueError):
                said[service] = {}
        return said


def _json(answer: httpx.Response) -> Any:
    if not answer.content:
        return {}
    try:
        return answer.json()
    except ValueError:
        # Whatever answers at this address in place of a service, or on its way there, has its own form of failures.
        said = f"{answer.status_code}, and not in JSON"
        raise EmbeddedError(f"{answer.request.method} {answer.request.url.path} was answered with {said}") from None


def _content(answer: httpx.Response) -> Any:
    content = _json(answer)
    if answer.is_error:
        errors = "; ".join(f"{error['field']}: {error['message']}" for error in content.get("errors", ()))
        detail = content.get("detail") or content.get("title") or "no reason given"
        raise EmbeddedError(
            f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {detail} {errors}"
        )
    return content


@asynccontextmanager
async def connect(home: Home, user: str, *roles: str, token: str = "") -> AsyncIterator[Client]:
    """A client of the system in this home, with a token of its local issuer if none is given.

    EmbeddedError if none is running.
    """
    running_state(home)
    async with httpx.AsyncClient(timeout=httpx.Timeout(60, read=600)) as http:
        yield Client(home, user, roles, http, token, math.inf if token else 0.0)


def running_state(home: Home) -> State:
    """What the supervisor of this home says. EmbeddedError if none is running."""
    state = home.read_state() if home.is_locked() else None
    if state is None:
        raise EmbeddedError(f"No system is running in {home.data}; start it with custlog up.")
    return state


@dataclass(frozen=True, slots=True)
class Progress:
    """How far everything is behind: `lag` by service and what it waits for, and what was put aside."""

    lag: Mapping[str, Mapping[str, int]]
    parked: int
    answered: bool

    @property
    def behind(self) -> int:
        return sum(sum(of_service.values()) for of_service in self.lag.values())


async def progress(client: Client) -> Progress:
    """One look at every service."""
    said = await client.ready()
    lag = {
        service: {name: int(value) for name, value in (answer.get("lag") or {}).items() if value is not None}
        for service, answer in said.items()
    }
    known = all(answer.get("lag") is not None and None not in answer["lag"].values() for answer in said.values())
    return Progress(lag, sum(int(answer.get("parked") or 0) for answer in said.values()), known)


async def caught_up(client: Client, *, seconds: float = 300, tell: Any = lambda _: None) -> Progress:
    """Waits until nothing is behind, seen several times in a row (an event may be between two services).

    Raises EmbeddedError when it takes longer than `seconds`.
    """
    quiet, deadline = 0, time.monotonic() + seconds
    while True:
        now = await progress(client)
        tell(now)
        quiet = quiet + 1 if now.answered and now.behind == 0 else 0
        if quiet == SWEEPS:
            return now
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Still {now.behind} events behind after {seconds:.0f} s; see custlog status.")
        await asyncio.sleep(SWEEP_SECONDS)
