"""The sets that matchers are compared on: labelled data that the project has at hand, each by itself."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.demo import febrl
from tests.support.population import generate

FEBRL = {
    "rec_id": "id",
    "given_name": "given_name",
    "surname": "surname",
    "street_number": "street_number",
    "address_1": "street",
    "address_2": "street_2",
    "suburb": "suburb",
    "postcode": "postcode",
    "state": "state",
    "date_of_birth": "birth_date",
    "soc_sec_id": "soc_sec_id",
}
"""FEBRL's column -> ours."""
SEED = 20261122


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Records as `custlog match` reads them, and id,entity_id. Every tool gets the same file."""

    name: str
    records: Path
    truth: Path


def febrl_rows(*parts: str) -> tuple[list[dict[str, str]], dict[str, str]]:
    """A FEBRL data set, 3 if none is named, under our names of columns, and its truth."""
    rows = [{name: row[old] for old, name in FEBRL.items()} for row in febrl.records(*parts)]
    return rows, {row["id"]: "-".join(row["id"].split("-")[:2]) for row in rows}


def sets(folder: Path, size: int, further: Iterable[tuple[str, str, str]] = ()) -> list[LabelledSet]:
    """Writes the sets into a folder: FEBRL 3 and 4, with and without the social security number, and a made-up one.

    `further` are sets that lie elsewhere: name, records, truth.
    """
    columns = list(FEBRL.values())
    made = []
    for name, parts in (("febrl3", ("3",)), ("febrl4", ("4a", "4b"))):
        rows, truth = febrl_rows(*parts)
        made.append(_written(folder, name, columns, rows, truth))
        made.append(_written(folder, f"{name} without soc_sec_id", columns[:-1], rows, truth))
    made.append(LabelledSet(f"made up, {size:,} rows", folder / "made.csv", folder / "made-truth.csv"))
    generate(size, SEED).write(made[-1].records, made[-1].truth)
    return [*made, *(LabelledSet(name, Path(records), Path(truth)) for name, records, truth in further)]


def _written(
    folder: Path, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, str]], truth: Mapping[str, str]
) -> LabelledSet:
    found = LabelledSet(name, folder / f"{name}.csv", folder / f"{name}-truth.csv")
    with found.records.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with found.truth.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("id", "entity_id"), *truth.items()])
    return found
