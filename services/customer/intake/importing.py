"""From the records of a file to one answer per row: decided one by one, made durable in groups."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from services.customer.application import Application, id_of, registration
from services.customer.domain.customer_commands import Register
from services.customer.intake import since
from services.customer.intake.answers import Answered, Delivery, Summary
from services.customer.intake.columns import cells_of, column_of, row_reader
from services.customer.intake.records import BadRow, CsvRecords, Lines, NdjsonRecords, Record
from shared.body import read_json
from shared.crash import crash_here
from shared.errors import AlreadyReserved, CommandReused, Conflict, CustlogError, FieldError, Malformed, Unavailable
from shared.eventlog.commit import Commit, Committed
from shared.ids import uuid7
from shared.problem import field_errors

ROW_BYTES = 64 * 1024
GROUP_ROWS = 250
GROUPS_IN_FLIGHT = 2
SLICE_ROWS = 25
"""After so many rows other requests get their turn."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A row that waits to be made durable."""

    row: int
    commit: Commit

    def command(self) -> tuple[str, bytes]:
        """By what the log remembers it."""
        return self.commit.cause.command, self.commit.digest


Group = list[Ready | Answered]


class Intake:
    """The import of one file. Holds at most as many groups of rows as may be in flight, and the one it reads."""

    def __init__(self, application: Application, delivery: Delivery, *, row_bytes: int = ROW_BYTES) -> None:
        self._application = application
        self._log = application.log
        self._delivery = delivery
        self._lines = Lines(row_bytes)
        self._records = CsvRecords(row_bytes) if delivery.format == "csv" else NdjsonRecords()
        self._row_of: Callable[[Sequence[str]], dict[str, Any]] | None = None
        self._row = 0
        self._down = False

    async def run(self, body: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Answers as NDJSON, one line per row in the rows' order, then the summary.

        Raises before the first answer: Invalid or Malformed for a file whose header cannot be read, Unavailable
        (retry). Later the rows that meet an absent server are answered with 503, and a file that cannot be read on
        ends in a summary that says so.
        """
        summary = Summary(dry_run=self._delivery.dry_run)
        flying: deque[asyncio.Task[list[Answered]]] = deque()
        try:
            try:
                async with aclosing(self._groups(body)) as groups:
                    async for group in groups:
                        flying.append(asyncio.create_task(self._settle(group)))
                        if len(flying) == GROUPS_IN_FLIGHT:
                            yield _told(await flying.popleft(), summary)
                            crash_here("intake.between_chunks")
            except CustlogError as error:
                if isinstance(error, Unavailable) or not (summary.rows or flying):
                    raise
                summary.stopped = error.detail
            while flying:
                yield _told(await flying.popleft(), summary)
            yield summary.line()
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)

    async def _groups(self, body: AsyncIterator[bytes]) -> AsyncGenerator[Group, None]:
        group: Group = []
        async for record in self._all_records(body):
            if self._delivery.format == "csv" and self._row_of is None:
                self._row_of = row_reader(_cells_of_header(record))
                continue
            self._row += 1
            group.append(self._decided(self._row, record))
            if len(group) % SLICE_ROWS == 0:
                await asyncio.sleep(0)
            if len(group) == GROUP_ROWS:
                yield group
                group = []
        if self._delivery.format == "csv" and self._row_of is None:
            raise Malformed("The file is empty; its first line must be the header.")
        if group:
            yield group

    async def _all_records(self, body: AsyncIterator[bytes]) -> AsyncIterator[Record]:
        async for chunk in body:
            for line in self._lines.feed(chunk):
                for record in self._records.take(line):
                    yield record
        for line in self._lines.end():
            for record in self._records.take(line):
                yield record
        for record in self._records.end():
            yield record

    def _decided(self, row: int, record: Record) -> Ready | Answered:
        try:
            body = self._body(record)
            customer_id, told = uuid7(), body.pop(since.FIELD, [])
            command = Register.model_validate(body)
            context = self._delivery.context(row, command.external_id)
            news = since.read(told, customer_id) if told else ()
            now, region = self._application.clock.now(), self._application.region
            return Ready(row, registration(customer_id, command, context, now, region=region, since=news))
        except BadRow as bad:
            return Answered(row, 400, errors=[FieldError(field="row", message=str(bad))])
        except ValidationError as bad:
            items = bad.errors(include_url=False, include_input=False, include_context=False)
            return Answered(row, 422, errors=self._named(field_errors(items)))
        except CustlogError as refused:
            return Answered(row, refused.status, errors=self._named(refused.errors or _whole_row(refused)))

    def _body(self, record: Record) -> dict[str, Any]:
        if isinstance(record, BadRow):
            raise record
        try:
            text = record.decode()
        except UnicodeDecodeError:
            raise BadRow("The row is not UTF-8.") from None
        body = read_json(record) if self._row_of is None else self._row_of(cells_of(text))
        if not isinstance(body, dict):
            raise BadRow("The row is no JSON object.")
        if body.setdefault("source", self._delivery.source) != self._delivery.source:
            raise BadRow("The row names another source than the address; leave it out.")
        return body

    def _named(self, errors: Sequence[FieldError]) -> list[FieldError]:
        if self._delivery.format == "ndjson":
            return list(errors)
        return [FieldError(field=column_of(error["field"]), message=error["message"]) for error in errors]

    async def _settle(self, group: Group) -> list[Answered]:
        """Every row's answer, the durable rows' included. Raises Unavailable only if no row was answered yet."""
        ready = [row for row in group if isinstance(row, Ready)]
        settled: dict[int, Answered] = {}
        if ready and not self._down:
            try:
                settled = {answer.row: answer for answer in await self._durable(ready)}
            except Unavailable:
                if group[0].row == 1:
                    raise
                self._down = True
        return [settled.get(row.row, _unavailable(row.row)) if isinstance(row, Ready) else row for row in group]

    async def _durable(self, ready: Sequence[Ready]) -> list[Answered]:
        # Rows that are known already must not cost a data key each, as new ones do.
        outcomes: list[Committed | CustlogError | None] = list(await self._log.recall([row.command() for row in ready]))
        unknown = [at for at, outcome in enumerate(outcomes) if outcome is None]
        if unknown:
            commits = [ready[at].commit for at in unknown]
            written = await (self._foreseen(commits) if self._delivery.dry_run else self._log.commit_many(commits))
            for at, outcome in zip(unknown, written, strict=True):
                outcomes[at] = outcome
        holders = await self._holders(ready, outcomes)
        return [
            _answered(row, outcome, holders)
            for row, outcome in zip(ready, outcomes, strict=True)
            if outcome is not None
        ]

    async def _foreseen(self, commits: Sequence[Commit]) -> Sequence[Committed | CustlogError]:
        """What would be answered, as far as it can be seen without writing."""
        holders = await self._log.holders([key for commit in commits for key in commit.reserve])
        return [
            AlreadyReserved() if any(key in holders for key in commit.reserve) else Committed(0, {})
            for commit in commits
        ]

    async def _holders(
        self, ready: Sequence[Ready], outcomes: Sequence[Committed | CustlogError | None]
    ) -> dict[str, str]:
        keys = [
            key
            for row, outcome in zip(ready, outcomes, strict=True)
            if isinstance(outcome, Conflict)
            for key in row.commit.reserve
        ]
        return await self._log.holders(keys) if keys else {}


def _answered(row: Ready, outcome: Committed | CustlogError, holders: dict[str, str]) -> Answered:
    if isinstance(outcome, Committed):
        result = outcome.result
        return Answered(row.row, 200 if outcome.replayed else 201, result.get("id"), result.get("version"))
    holder = next((id_of(holders[key]) for key in row.commit.reserve if key in holders), None)
    if isinstance(outcome, AlreadyReserved | CommandReused):
        message = "The source knows this id already, with other content; change that customer instead."
        if holder is None:
            message = "This row was sent before under the same Idempotency-Key, with other content."
        return Answered(row.row, 409, holder, errors=[FieldError(field="external_id", message=message)])
    return Answered(row.row, outcome.status, holder, errors=_whole_row(outcome))


def _cells_of_header(record: Record) -> list[str]:
    if isinstance(record, BadRow):
        raise Malformed(f"The header cannot be read. {record}")
    try:
        return cells_of(record.decode())
    except (UnicodeDecodeError, BadRow):
        raise Malformed("The header cannot be read; it must be CSV in UTF-8.") from None


def _whole_row(error: CustlogError) -> list[FieldError]:
    return [FieldError(field="row", message=error.detail or error.title)]


def _unavailable(row: int) -> Answered:
    message = "The database does not answer; send this row again."
    return Answered(row, 503, errors=[FieldError(field="row", message=message)])


def _told(answers: Sequence[Answered], summary: Summary) -> bytes:
    summary.add(answers)
    return b"".join(answer.line() for answer in answers)
