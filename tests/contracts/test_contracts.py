"""Contracts are complete, classified, documented, and never change once written."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from shared.access.levels import Level
from shared.eventlog.mapper import DecodeError, parse
from shared.events.catalogue import CATALOGUE, UPCASTERS, UnknownEvent, decode
from shared.events.documents import asyncapi, documents, record_schema
from shared.events.envelope import Contract, Erased, General
from tests.contracts.examples import EXAMPLES
from tests.contracts.golden import FOLDER, erased, opened, stored

DOCUMENTS = Path(__file__).parents[2] / "docs" / "contracts"
GOLDEN = sorted(FOLDER.glob("*.json"))


def test_every_version_in_the_catalogue_has_a_golden_file_and_none_was_taken_away() -> None:
    assert {contract.stored_type() for contract in CATALOGUE.values()} == {file.stem for file in GOLDEN}


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_a_golden_record_still_opens_to_what_it_did(file: Path) -> None:
    golden = orjson.loads(file.read_bytes())
    record = golden["record"].encode()
    event_type, version = file.stem.rsplit(".v", 1)

    event = opened(record)

    assert (event.type, event.version) == (event_type, int(version))
    if (event_type, int(version)) not in UPCASTERS:
        assert event.data.model_dump(mode="json") == golden["opens_to"]


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_a_golden_record_opens_to_erased_without_its_key(file: Path) -> None:
    record = orjson.loads(file.read_bytes())["record"].encode()
    part = next(iter(parse(record).sealed.values()), None)

    event = erased(record)

    for name in part.fields if part else ():
        assert isinstance(getattr(event.data, name), Erased)
        assert event.data.LEVELS[name].sealed


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.stored_type())
def test_a_stored_record_fits_its_published_schema_and_shows_no_sealed_field(event: Contract) -> None:
    record = orjson.loads(stored(event))

    Draft202012Validator(record_schema(type(event))).validate(record)

    assert not event.SEALED & record["data"].keys()


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.stored_type())
def test_storing_is_canonical(event: Contract) -> None:
    record = stored(event)

    assert orjson.dumps(orjson.loads(record), option=orjson.OPT_SORT_KEYS) == record
    assert opened(record).data == event


@pytest.mark.parametrize("name", sorted(documents()))
def test_a_committed_document_equals_the_generated_one(name: str) -> None:
    assert (DOCUMENTS / name).read_bytes() == documents()[name], (
        f"docs/contracts/{name} has drifted. A new version: run `make contracts`. "
        "A changed existing version: do not; add a new class with VERSION + 1 and an upcaster."
    )


def test_no_document_is_left_over() -> None:
    assert {file.name for file in DOCUMENTS.iterdir()} == documents().keys()


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    document = asyncapi()
    references: list[str] = []

    def collect(node: object) -> None:
        if isinstance(node, dict):
            references.extend([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
            for child in node.values():
                collect(child)
        elif isinstance(node, list):
            for child in node:
                collect(child)

    collect(document)

    assert references
    for reference in references:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_a_field_without_a_level_fails_at_import() -> None:
    with pytest.raises(TypeError, match=r"Careless\.shoe has 0 levels"):

        class Careless(Contract):
            TYPE = "careless"
            shoe: int


def test_a_field_with_a_level_is_taken() -> None:
    class Careful(Contract):
        TYPE = "careful"
        shoe: General[int]

    assert Careful.LEVELS == {"shoe": Level.GENERAL}


def test_an_unknown_type_or_version_is_named() -> None:
    with pytest.raises(UnknownEvent, match=r"customer\.registered\.v99"):
        decode("customer.registered", 99, {})
    with pytest.raises(UnknownEvent, match=r"customer\.vanished\.v1"):
        decode("customer.vanished", 1, {})


def test_data_that_breaks_its_contract_is_refused() -> None:
    with pytest.raises(ValidationError):
        decode("customer.archived", 1, {"reason": "inactive", "surprise": 1})


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"id": 1}'])
def test_bytes_that_are_no_record_are_refused(garbage: bytes) -> None:
    with pytest.raises((DecodeError, UnicodeDecodeError)):
        parse(garbage)
