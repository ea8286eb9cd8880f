"""The columns of a file of records: which ones are understood, and how a row becomes what the matcher compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.identity.matching.record import Address, Raw
from shared.errors import FieldError, Invalid

_NAMES = {"full_name": "full", "given_name": "given", "surname": "family", "company_name": "company"}
_PLAIN = {**_NAMES, "kind": "kind", "gender": "gender", "birth_date": "birth_date"}
_SEVERAL = {"other_name": "others", "phone": "phones", "email": "emails"}
_IDENTIFIERS = ("credit_code", "soc_sec_id", "national_id")
_TYPED = "identifier"
_ADDRESS = {
    "address": "line",
    "street": "street",
    "street_number": "number",
    "street_2": "extra",
    "district": "district",
    "suburb": "suburb",
    "city": "city",
    "state": "state",
    "postcode": "postcode",
    "country": "country",
}

COLUMNS: Mapping[str, str] = {
    "id": "id of the row, unique in the file; without it rows are numbered from 1",
    "kind": "`person` or `org`",
    "full_name": "name of a person in one piece, in any order; of a company too, where the kind says so",
    "given_name": "given name",
    "surname": "family name",
    "company_name": "name of a company",
    "other_name": "former, maiden or trading names, separated by `;`",
    "gender": "gender",
    "birth_date": "date of birth, in any usual form; parts may be missing",
    "phone": "phone numbers, separated by `;`",
    "email": "e-mail addresses, separated by `;`",
    "street": "street, with or without the number, or a whole address in one line",
    "street_number": "house number",
    "street_2": "unit, building or second line",
    "district": "district",
    "suburb": "suburb",
    "city": "city or town",
    "state": "state, province or county",
    "postcode": "postal code",
    "country": "country",
    "credit_code": "unified social credit code of a Chinese company",
    "soc_sec_id": "social security number",
    "national_id": "national identity number",
    "identifier": "identifiers of any type, as `type:value`, separated by `;`",
    "source": "where the row comes from; not compared",
}
"""Name -> meaning of the columns that are understood without a mapping."""

COMPARISONS = ("category",)
"""Kinds that `[extra]` may name. category: two values are the same or they differ; how rare the value is counts."""

TARGETS = frozenset({*COLUMNS, *_ADDRESS})
"""What a mapping may call a column: the names of COLUMNS, and `address` for a whole address in one line."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the columns of one file are to be read.

    `columns` maps a column of the file to one of TARGETS, or to "" where it is to be left out. `extra` maps a column
    of the file to a kind of comparison, for what only this file knows. Names are those of the file's header.
    `country` (ISO 3166, two letters) is that of phone numbers and dates that do not say theirs; "" if it is not known.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    country: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one file, with the functions from its cells to what they say.

    `known` maps a target to the places of its columns. `ignored` are the names of columns that nothing reads.
    """

    width: int
    known: Mapping[str, Sequence[int]]
    extra: Mapping[str, int]
    ignored: Sequence[str]
    raw: Callable[[Sequence[str]], Raw]

    def cell(self, target: str, cells: Sequence[str]) -> str:
        """What a row says under a target, "" if nothing."""
        return next((cell for at in self.known.get(target, ()) if (cell := cells[at].strip())), "")


def mapping(content: Mapping[str, Any], comparisons: Sequence[str] = COMPARISONS) -> Reading:
    """A mapping from the tables `[columns]` and `[extra]` and the text `country` of a TOML file.

    `comparisons` are the kinds that `[extra]` may name. Raises Invalid with every wrong entry.
    """
    unknown = sorted(content.keys() - {"columns", "extra", "country"})
    errors = [FieldError(field=name, message="There is no such table.") for name in unknown]
    country = content.get("country", "")
    if not isinstance(country, str) or not (country == "" or (len(country) == 2 and country.isalpha())):
        errors.append(FieldError(field="country", message="This has to be two letters, such as CN."))
    tables: dict[str, dict[str, str]] = {}
    for table, allowed in (("columns", {*TARGETS, ""}), ("extra", set(comparisons))):
        given = content.get(table, {})
        if not isinstance(given, dict):
            errors.append(FieldError(field=table, message="This has to be a table."))
            continue
        tables[table] = {clean(name): said for name, said in given.items() if isinstance(said, str)}
        said_of = ", ".join(sorted(allowed - {""}))
        errors += [
            FieldError(field=f"{table}.{name}", message=f"This has to be one of {said_of}.")
            for name, said in given.items()
            if not isinstance(said, str) or said not in allowed
        ]
    if errors:
        raise Invalid("The mapping is wrong.", errors=errors)
    return Reading(tables["columns"], tables["extra"], str(country).upper())


def clean(name: str) -> str:
    """A column's name as it is compared: case, spaces around it, and spaces or hyphens in it do not count."""
    return "_".join(name.strip().strip("\ufeff").lower().replace("-", " ").replace("_", " ").split())


def columns(header: Sequence[str], mapped: Reading | None = None) -> Columns:
    """How a file with this header is read.

    Raises Invalid for a header in which nothing is understood (its words are not repeated: a file without a header has
    a person there), one that says twice what can be said once, and a mapping of columns that are not there.
    """
    mapped = mapped or Reading()
    names = [clean(name) for name in header]
    targets = [mapped.columns.get(name, name if name in COLUMNS else None) for name in names]
    known: dict[str, list[int]] = {}
    for at, (name, target) in enumerate(zip(names, targets, strict=True)):
        if target and name not in mapped.extra:
            known.setdefault(target, []).append(at)
    errors = [
        FieldError(field=f"column {places[1] + 1}", message=f"There is a column for {target} already.")
        for target, places in known.items()
        if len(places) > 1 and target not in {*_SEVERAL, *_IDENTIFIERS, _TYPED}
    ]
    errors += [
        FieldError(field="mapping", message=f"The file has no column {name}.")
        for name in (*mapped.columns, *mapped.extra)
        if name not in names
    ]
    if errors:
        raise Invalid("The header does not fit.", errors=errors)
    extra = {name: names.index(name) for name in mapped.extra}
    if not (known.keys() | extra.keys()) - {"id", "kind", "source"}:
        raise Invalid(
            f"None of the {len(names)} columns says who somebody is. The names that are understood without a mapping"
            f" are {', '.join(COLUMNS)}."
        )
    used = {at for places in known.values() for at in places} | set(extra.values())
    ignored = [header[at].strip() for at, name in enumerate(names) if at not in used and mapped.columns.get(name) != ""]
    return Columns(len(names), known, extra, ignored, _reader(known, extra))


def _reader(known: Mapping[str, Sequence[int]], extra: Mapping[str, int]) -> Callable[[Sequence[str]], Raw]:
    plain = [(name, known[column][0]) for column, name in _PLAIN.items() if column in known]
    several = [(name, tuple(known[column])) for column, name in _SEVERAL.items() if column in known]
    parts = [(name, known[column][0]) for column, name in _ADDRESS.items() if column in known]
    identifiers = [(column, at) for column in _IDENTIFIERS for at in known.get(column, ())]
    typed = known.get(_TYPED, ())

    def raw(cells: Sequence[str]) -> Raw:
        said: dict[str, Any] = {name: cell for name, at in plain if (cell := cells[at].strip())}
        for name, places in several:
            if found := _split([cells[at] for at in places]):
                said[name] = found
        if address := {name: cell for name, at in parts if (cell := cells[at].strip())}:
            said["addresses"] = (Address(**address),)
        told = [(name, cell) for name, at in identifiers if (cell := cells[at].strip())]
        if typed:
            told += _typed([cells[at] for at in typed])
        if told:
            said["identifiers"] = tuple(told)
        if more := tuple((name, cell) for name, at in extra.items() if (cell := cells[at].strip())):
            said["extra"] = more
        return Raw(**said)

    return raw


def _split(cells: Sequence[str]) -> tuple[str, ...]:
    """The parts of cells that hold several values, each once."""
    parts = [part.strip() for cell in cells if cell for part in cell.split(";")]
    return tuple(dict.fromkeys(filter(None, parts)))


def _typed(cells: Sequence[str]) -> list[tuple[str, str]]:
    """(type, value) of every identifier that says its type."""
    parts = [part.partition(":") for part in _split(cells)]
    return [(kind.strip(), value.strip()) for kind, _, value in parts if kind.strip() and value.strip()]
