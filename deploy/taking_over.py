"""Sends to a running system what follows the rows of an exported person (`following`): HTTP, one command each.

Every request has its own Idempotency-Key, made of the export's watermark and its line: sent again, it does nothing
twice. Changes of a customer name the version they rest on, so whoever changed it meanwhile is not overwritten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from deploy.client import Client, connect
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.following import At
from services.customer.domain.command_names import TOLD
from services.customer.domain.customer import contact_id_of, relationship_id_of

PATHS: Mapping[str, tuple[str, str]] = {
    **{name: ("customer", f"/customers/{{customer}}/{name}") for name in TOLD},
    "edit": ("customer", "/customers/{customer}"),
    "add-relationship": ("customer", "/customers/{customer}/add-relationship"),
    "end-relationship": ("customer", "/customers/{customer}/end-relationship"),
    "place-order": ("customer", "/customers/{customer}/orders"),
    "pay-order": ("customer", "/orders/{on}/pay"),
    "deliver-order": ("customer", "/orders/{on}/deliver"),
    "return-order": ("customer", "/orders/{on}/return"),
    "open-ticket": ("customer", "/customers/{customer}/tickets"),
    "answer-ticket": ("customer", "/tickets/{on}/answer"),
    "resolve-ticket": ("customer", "/tickets/{on}/resolve"),
    "reopen-ticket": ("customer", "/tickets/{on}/reopen"),
    "record-interaction": ("customer", "/customers/{customer}/interactions"),
    "plan-follow-up": ("notifications", "/reminders"),
    "link": ("identity", "/links"),
}
"""Command of a line -> service and address. A file has no say in what else is sent."""
OF_CUSTOMER = frozenset({*TOLD, "add-relationship", "end-relationship"})
"""Those that change the stream of the customer itself."""
WAIT_SECONDS = 60
"""For a service that has not heard of the customer yet."""
PAUSE_SECONDS = 0.2
_REST = "The system took a part and is too busy for the rest; import the same file again."
_AGAIN = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row: the customer, and its version."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line that was not taken over, and why."""

    line: int
    command: str
    reason: str


class _NotTaken(Exception):
    """A line that cannot be sent, or that the system refused. Fate: told, and the next one is sent."""


@dataclass(slots=True)
class Sender:
    """One export on its way into a system. `rows` are the customers that its rows have become."""

    client: Client
    looking: Client
    key: str
    rows: dict[At, Row]
    _begun: dict[int, str] = field(default_factory=dict)
    _relationships: dict[str, int] = field(default_factory=dict)

    async def send(self, lines: Iterable[tuple[int, Mapping[str, Any]]]) -> list[LeftOut]:
        """Sends these lines, each with its number in the file; what was not taken over.

        Raises EmbeddedError if a server is away: send the whole file again.
        """
        left = []
        for number, line in lines:
            try:
                await self._one(number, line)
            except _NotTaken as reason:
                left.append(LeftOut(number, str(line.get("command")), str(reason)))
            except (KeyError, TypeError, ValueError, AttributeError):
                left.append(LeftOut(number, str(line.get("command")), "This is no line of an export."))
        return left

    async def _one(self, number: int, line: Mapping[str, Any]) -> None:
        name, at = line["command"], _place(line["customer"])
        if name not in PATHS:
            raise _NotTaken("There is no such command.")
        row = self.rows.get(at)
        if row is None:
            raise _NotTaken("The row of the customer was not taken.")
        body = {**line["body"], **await self._named(name, row, line)}
        headers = {"Idempotency-Key": f"{self.key}:{number}", "Custlog-Purpose": line["purpose"]}
        if name in OF_CUSTOMER:
            headers["If-Match"] = f'"{row.version}"'
        service, path = PATHS[name]
        on = self._begun.get(line.get("on", 0), "")
        answer = await self._answer(name, service, path.format(customer=row.id, on=on), body, headers)
        self._note(name, at, row, line, answer)

    async def _named(self, name: str, row: Row, line: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a command that name what has another id here."""
        if "on" in line and line["on"] not in self._begun:
            raise _NotTaken("What it changes was not taken.")
        match name:
            case "link":
                return {"a": row.id, "b": await self._other(line["other"])}
            case "plan-follow-up":
                return {"customer": row.id}
            case "add-relationship":
                return {"other": await self._other(line["other"])}
            case "end-relationship":
                return {"relationship_id": self._begun[line["on"]]}
            case _:
                return {"contact_id": contact_id_of(row.id, line["contact"])} if "contact" in line else {}

    async def _other(self, named: Any) -> str:
        if isinstance(named, list):
            row = self.rows.get(_place(named))
            if row is None:
                raise _NotTaken("The other customer was not taken.")
            return row.id
        source, external_id = named["source"], named["external_id"]
        path = f"/customers/by-source/{quote(source, safe='')}/{quote(external_id, safe='')}"
        answer = await self.looking.http.get(self.looking.url("projections", path), headers=self.looking.headers())
        if answer.status_code in _AGAIN:
            raise EmbeddedError(_REST)
        for member in answer.json().get("members", ()):
            if (member["source"], member["external_id"]) == (source, external_id):
                return str(member["customer"])
        raise _NotTaken("The other customer is not known here.")

    async def _answer(
        self, name: str, service: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_SECONDS
        method = "PATCH" if name == "edit" else "POST"
        while True:
            answer = await self.client.http.request(
                method, self.client.url(service, path), json=body, headers=self.client.headers(headers)
            )
            content: dict[str, Any] = answer.json() if answer.content else {}
            unheard = answer.status_code == HTTPStatus.NOT_FOUND and service != "customer"
            if not unheard or time.monotonic() > deadline:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        if answer.status_code in _AGAIN:
            raise EmbeddedError(_REST)
        if answer.is_error:
            raise _NotTaken(f"{answer.status_code} {content.get('detail') or content.get('title') or ''}".strip())
        return content

    def _note(self, name: str, at: At, row: Row, line: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        began = answer.get("id", "")
        if name in OF_CUSTOMER:
            self.rows[at] = Row(row.id, answer["version"])
        if name == "add-relationship":
            # One that the customer had already makes no event and gets no number.
            self._relationships[row.id] = self._relationships.get(row.id, 0) + (answer["version"] > row.version)
            began = relationship_id_of(row.id, self._relationships[row.id])
        if "begins" in line:
            self._begun[line["begins"]] = began


@asynccontextmanager
async def sender(home: Home, key: str, rows: Mapping[At, Row]) -> AsyncIterator[Sender]:
    """A sender to the system of this home, for the export of this watermark. EmbeddedError if none is up."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(home, "importer", "import", "manager"))
        # Looking up whom a relationship means shows nothing personal, and so is no read of it.
        looking = await stack.enter_async_context(connect(home, "importer", "viewer"))
        yield Sender(client, looking, key, dict(rows))


def _place(named: Any) -> At:
    source, number = named
    return str(source), int(number)
