"""The places of a system, read wholly and handed over in parts: databases, topics, answers and folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import psycopg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from bson.raw_bson import RawBSONDocument
from psycopg.sql import SQL, Identifier
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.canary.report import Place
from deploy.canary.search import Search, Stream
from deploy.client import Client
from deploy.history import database_url
from shared.fetching import fetched

CHUNK = 8 * 1024 * 1024
PARTS = 1024 * 1024
"""Rows are looked through together from this size on."""
_BETWEEN = b"\0"
SHOWN = 5
_FETCH_MS = 300
_EMPTY_FETCHES = 10
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND n.nspname !~ '^pg_toast'
ORDER BY 1, 2"""
_STATISTICS = """
COPY (SELECT schemaname, tablename, attname, most_common_vals, histogram_bounds, most_common_elems FROM pg_stats)
TO STDOUT"""
"""What ANALYZE keeps of the values of columns; its numbers are not searched, in which any eight digits may stand."""


@dataclass(slots=True)
class Finds:
    """What one place held so far."""

    search: Search
    control: bytes
    size: int = 0
    seen: bool = False
    found: Counter[str] = field(default_factory=Counter)
    where: list[str] = field(default_factory=list)

    def part(self, content: bytes, where: str) -> None:
        """One whole part: a row, a record, an answer."""
        self.size += len(content)
        self.seen = self.seen or self.control in content
        self.note(self.search.fields_in(content), where)

    def parts(self, whole: bytes, split: Callable[[], Iterable[tuple[bytes, str]]]) -> None:
        """Several parts, each for itself; `split` is asked for them only if there is something in the whole."""
        if self.search.forms_in(whole):
            for content, where in split():
                self.part(content, where)
        else:
            self.size += len(whole)
            self.seen = self.seen or self.control in whole

    def note(self, fields: set[str], where: str) -> None:
        self.found.update(fields)
        if fields and len(self.where) < SHOWN:
            self.where.append(where)

    def place(self, kind: str, name: str, trouble: str = "") -> Place:
        return Place(kind, name, self.size, dict(self.found), tuple(self.where), self.seen, trouble)


def postgres(url: str, search: Search, control: bytes) -> Iterator[Place]:
    """Every table of every database, in PostgreSQL's binary form: texts and bytes stand in it as they are."""
    with psycopg.connect(url, autocommit=True) as server:
        names = [row[0] for row in server.execute(_DATABASES)]
    for name in names:
        with psycopg.connect(database_url(url, name), autocommit=True) as database:
            tables = [SQL("COPY {} TO STDOUT (FORMAT binary)").format(Identifier(*row)) for row in _rows(database)]
            labels = [".".join(row) for row in _rows(database)]
            for label, statement in [*zip(labels, tables, strict=True), ("statistics", SQL(_STATISTICS))]:
                finds = Finds(search, control)
                trouble = ""
                try:
                    _copied(database, statement, finds, label)
                except psycopg.Error as error:
                    trouble = f"it was not read to its end: {type(error).__name__}"
                yield finds.place("postgres", f"{name}: {label}", trouble)


def _rows(database: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    return [(str(schema), str(table)) for schema, table in database.execute(_TABLES)]


def _copied(database: psycopg.Connection[Any], statement: Any, finds: Finds, label: str) -> None:
    # PostgreSQL sends a row at a time.
    with database.cursor() as cursor, cursor.copy(statement) as copy:
        first = 1
        for rows in _gathered(bytes(row) for row in copy):
            finds.parts(_BETWEEN.join(rows), partial(_placed, rows, f"{label}, row {{}} of the copy", first))
            first += len(rows)


def _placed(rows: Sequence[bytes], where: str, first: int) -> Iterator[tuple[bytes, str]]:
    return ((row, where.format(number)) for number, row in enumerate(rows, start=first))


def _gathered(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The rows, some at a time."""
    together: list[bytes] = []
    size = 0
    for row in rows:
        together.append(row)
        size += len(row)
        if size >= PARTS:
            yield together
            together, size = [], 0
    if together:
        yield together


def mongo(url: str, search: Search, control: bytes) -> Iterator[Place]:
    """Every collection of every database, the operations log included."""
    with MongoClient[RawBSONDocument](url, document_class=RawBSONDocument) as client:
        for database in sorted(client.list_database_names()):
            for name in sorted(client[database].list_collection_names()):
                finds = Finds(search, control)
                trouble = ""
                try:
                    for batch in _batches(client, database, name):
                        finds.parts(batch, partial(_documents_at, batch, name))
                except PyMongoError as error:
                    trouble = f"it was not read to its end: {type(error).__name__}"
                yield finds.place("mongo", f"{database}.{name}", trouble)


def forms_of_others(url: str, forms: Collection[bytes], members: Sequence[str]) -> set[bytes]:
    """The forms that stand in documents in which none of these customers does: other people have them too."""
    ids = [member.encode() for member in members]
    search, shared = Search({"any": forms}), set[bytes]()
    with MongoClient[RawBSONDocument](url, document_class=RawBSONDocument) as client:
        for database in set(client.list_database_names()) - {"admin", "config", "local"}:
            for name in client[database].list_collection_names():
                for batch in _batches(client, database, name):
                    if search.forms_in(batch):
                        for document in _documents(batch):
                            if not search.forms_in(document):
                                continue
                            lower = document.lower()
                            if not any(each in lower for each in ids):
                                shared.update(form for form in forms if form in lower)
    return shared


def _batches(client: MongoClient[RawBSONDocument], database: str, name: str) -> Iterator[bytes]:
    # The stubs take a raw batch for a document.
    yield from cast("Iterator[bytes]", client[database][name].find_raw_batches({}))


def _documents(batch: bytes) -> Iterator[bytes]:
    """A document begins with its length, in bytes."""
    at = 0
    while at < len(batch):
        end = at + max(int.from_bytes(batch[at : at + 4], "little"), 4)
        yield batch[at:end]
        at = end


def _documents_at(batch: bytes, name: str) -> Iterator[tuple[bytes, str]]:
    return ((document, f"{name}, a document of {len(document)} bytes") for document in _documents(batch))


async def kafka(bootstrap: str, search: Search, control: bytes) -> list[Place]:
    """Every record of every topic, unpacked: keys, values and headers, those of aborted transactions too."""
    topics = await _topics(bootstrap)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        return [await _topic(consumer, name, search, control) for name in sorted(topics.items())]
    finally:
        await consumer.stop()


async def _topics(bootstrap: str) -> dict[str, int]:
    """Topic -> its number of partitions, but for Kafka's own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = [name for name in await admin.list_topics() if not name.startswith("__")]
        described = await admin.describe_topics(names) if names else []
        return {topic["topic"]: len(topic["partitions"]) for topic in described}
    finally:
        await admin.close()


async def _topic(consumer: AIOKafkaConsumer, described: tuple[str, int], search: Search, control: bytes) -> Place:
    topic, partitions = described
    finds, empty = Finds(search, control), 0
    places = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    ends = await consumer.end_offsets(places)
    while empty < _EMPTY_FETCHES and not all([await consumer.position(place) >= ends[place] for place in places]):
        came = await fetched(consumer, timeout_ms=_FETCH_MS, max_records=10_000)
        empty = 0 if came else empty + 1
        for place, records in came.items():
            contents = [_content(record) for record in records]
            finds.parts(_BETWEEN.join(contents), partial(_records_at, place, records, contents))
    trouble = "it was not read to its end" if empty == _EMPTY_FETCHES else ""
    return finds.place("kafka", topic, trouble)


def _content(record: ConsumerRecord[Any, Any]) -> bytes:
    headers = b"\0".join(name.encode() + b"=" + value for name, value in record.headers)
    return b"\0".join((record.key or b"", record.value or b"", headers))


def _records_at(
    place: TopicPartition, records: Sequence[ConsumerRecord[Any, Any]], contents: Sequence[bytes]
) -> Iterator[tuple[bytes, str]]:
    return (
        (content, f"{place.topic}/{place.partition} at offset {record.offset}")
        for record, content in zip(records, contents, strict=True)
    )


async def answers(client: Client, paths: Iterable[tuple[str, str]], search: Search) -> list[Place]:
    """What the services answer at these (service, path); whatever the status is."""
    places = []
    for service, path in paths:
        finds = Finds(search, b"\0")
        answer = await client.http.get(client.url(service, path), headers=client.headers())
        finds.part(answer.content, f"{answer.status_code}")
        places.append(finds.place("http", f"{service} {path.partition('?')[0]}"))
    return places


def files(
    folders: Iterable[Path], search: Search, control: bytes, *, skip: Callable[[Path], bool] = lambda _: False
) -> Iterator[Place]:
    """Every file below these folders, byte for byte as it lies on the disk: one place for each folder in them."""
    for folder in folders:
        inner = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        for part in (folder, *inner):
            finds = Finds(search, control)
            for path in sorted(part.rglob("*") if part is not folder else part.iterdir() if part.is_dir() else [part]):
                if path.is_file() and not path.is_symlink() and not skip(path):
                    _read(path, finds, str(path.relative_to(folder)) if folder.is_dir() else path.name)
            yield finds.place("files", str(part.relative_to(folder.parent)))


def _read(path: Path, finds: Finds, where: str) -> None:
    stream = Stream(finds.search)
    try:
        for chunk in _chunks(path):
            finds.seen = finds.seen or finds.control in chunk
            stream.feed(chunk)
    except FileNotFoundError:  # a server has removed it meanwhile
        return
    finally:
        finds.size += stream.size
        finds.note(stream.found, where)


def _chunks(path: Path) -> Iterator[bytes]:
    """What a file holds, without its holes: Kafka makes its indexes large and leaves them empty."""
    with path.open("rb") as file:
        end, at = os.fstat(file.fileno()).st_size, 0
        while at < end:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # only a hole is left
                return
            file.seek(at)
            chunk = file.read(CHUNK)
            if not chunk:  # it was cut meanwhile
                return
            yield chunk
            at += len(chunk)
