"""The way to an engine for larger bases: comparison input for Splink, and its links back as proposals.

Splink (moj-analytical-services/splink, version 4 or 5) runs the same settings on DuckDB on one machine and on Spark on
a cluster. What it links comes back as a file of pairs; each is weighed by our own model before anybody acts on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deploy.embedded.errors import EmbeddedError
from deploy.matching.matching import Matched
from deploy.matching.records import Records, read_pairs
from deploy.matching.writing import write_csv
from services.identity.matching.clusters import Pair
from services.identity.matching.compare import compare, total
from services.identity.matching.record import Normal
from shared.atomic_file import replace

RECORDS, SETTINGS = "records.csv", "settings.json"
_COLUMNS = (
    "unique_id",
    "kind",
    "given_name",
    "surname",
    "company",
    "birth_date",
    "gender",
    "phone",
    "email",
    "road",
    "number",
    "city",
    "postcode",
    "identifier",
)
_BACK = ("unique_id_l", "unique_id_r")


def export(folder: Path, records: Records) -> dict[str, Any]:
    """Writes the normalised records and settings for them; says what was written. Raises EmbeddedError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rows = (_row(record, normal) for record, normal in records.items)
        write_csv(folder / RECORDS, _COLUMNS, rows)
        filled = [name for at, name in enumerate(_COLUMNS) if any(_row(r, n)[at] for r, n in records.items)]
        replace(folder / SETTINGS, json.dumps(settings(filled), indent=1).encode() + b"\n", 0o644)
    except OSError as error:
        raise EmbeddedError(f"{folder} cannot be written: {error.strerror}.") from None
    return {"folder": str(folder), "records": len(records.ids), "files": [RECORDS, SETTINGS]}


def _row(record: str, normal: Normal) -> tuple[str, ...]:
    name = normal.names[0] if normal.names else None
    home = normal.homes[0] if normal.homes else None
    birth = normal.birth if normal.birth and not normal.birth.placeholder else None
    known = name and (name.given or name.family)
    return (
        record,
        normal.kind,
        (name.given if known else " ".join(name.tokens)) if name else "",
        name.family if name and known else "",
        normal.companies[0].core if normal.companies else "",
        f"{birth.year:04}-{birth.month:02}-{birth.day:02}" if birth and birth.month and birth.day else "",
        normal.gender,
        next((phone.number for phone in normal.phones if not phone.placeholder), ""),
        next((email.address for email in normal.emails if not email.placeholder), ""),
        home.road if home else "",
        home.number if home else "",
        home.city if home else "",
        home.postcode if home else "",
        f"{normal.identities[0].type}:{normal.identities[0].value}" if normal.identities else "",
    )


def settings(filled: Iterable[str]) -> dict[str, Any]:
    """Settings of Splink over the columns that hold anything: blocking rules, and levels from exact to else."""
    columns = [name for name in _COLUMNS[1:] if name in set(filled)]
    blocking = [rule for needs, rule in _BLOCKING if set(needs) <= set(columns)]
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "unique_id",
        "probability_two_random_records_match": 0.0001,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": rule, "sql_dialect": "duckdb"} for rule in blocking
        ],
        "comparisons": [_comparison(name) for name in columns],
    }


_BLOCKING = tuple(
    (names, " AND ".join(f'l."{name}" = r."{name}"' for name in names))
    for names in (
        ("identifier",),
        ("phone",),
        ("email",),
        ("given_name", "surname"),
        ("surname", "postcode"),
        ("given_name", "birth_date"),
        ("surname", "birth_date"),
        ("company", "city"),
        ("road", "number", "postcode"),
    )
)
_FUZZY = frozenset({"given_name", "surname", "company", "road", "city", "email"})


def _comparison(name: str) -> dict[str, Any]:
    levels: list[dict[str, Any]] = [
        {
            "sql_condition": f'"{name}_l" IS NULL OR "{name}_r" IS NULL',
            "label_for_charts": "unknown",
            "is_null_level": True,
        },
        {"sql_condition": f'"{name}_l" = "{name}_r"', "label_for_charts": "exact", "tf_adjustment_column": name},
    ]
    if name in _FUZZY:
        levels += [
            {
                "sql_condition": f'jaro_winkler_similarity("{name}_l", "{name}_r") >= {limit}',
                "label_for_charts": f"Jaro-Winkler {limit}",
            }
            for limit in (0.92, 0.8)
        ]
    elif name in ("birth_date", "phone", "identifier", "postcode"):
        levels.append({"sql_condition": f'levenshtein("{name}_l", "{name}_r") <= 1', "label_for_charts": "one slip"})
    levels.append({"sql_condition": "ELSE", "label_for_charts": "differ"})
    return {"output_column_name": name, "comparison_description": name, "comparison_levels": levels}


def proposals(file: Path, records: Records, matched: Matched) -> Iterator[tuple[Pair, str]]:
    """The pairs of a file with the columns unique_id_l and unique_id_r, each weighed by our model, and its decision.

    A pair that our model would not even review is told as `new`. Raises EmbeddedError for an id that is not there.
    """
    normals = dict(records.items)
    model = matched.resolution.model
    for n, (left, right) in enumerate(read_pairs(file, _BACK), start=1):
        if left not in normals or right not in normals:
            raise EmbeddedError(f"{file.name}: row {n} names a record that {records.name} does not have.")
        a, b = min(left, right), max(left, right)
        weight = total(compare(normals[a], normals[b], model), model)
        seen = matched.entities[a] == matched.entities[b] or weight >= model.review
        yield Pair(a, b, weight), matched.decision(a, b) if seen else "new"
