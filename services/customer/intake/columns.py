"""The columns of a customer file: one table from which files are read and the documentation is written."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.customer.intake.records import BadRow
from shared.errors import FieldError, Invalid

Row = dict[str, Any]
Put = Callable[[Row, str], None]


def _whole(field: str) -> Put:
    def put(row: Row, cell: str) -> None:
        row[field] = cell

    return put


def _part(field: str, part: str) -> Put:
    def put(row: Row, cell: str) -> None:
        row.setdefault(field, {})[part] = cell

    return put


def _line(field: str, part: str) -> Put:
    def put(row: Row, cell: str) -> None:
        row.setdefault(field, {}).setdefault(part, []).append(cell)

    return put


def _first(field: str, part: str) -> Put:
    def put(row: Row, cell: str) -> None:
        row.setdefault(field, [{}])[0][part] = cell

    return put


def _several(field: str) -> Put:
    def put(row: Row, cell: str) -> None:
        row[field] = [part.strip() for part in cell.split(";") if part.strip()]

    return put


def _day(field: str) -> Put:
    def put(row: Row, cell: str) -> None:
        basic = len(cell) == 8 and cell.isdigit()
        row[field] = f"{cell[:4]}-{cell[4:6]}-{cell[6:]}" if basic else cell

    return put


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what may stand in it, the field of Register that its errors name, and how it gets there."""

    name: str
    meaning: str
    field: str
    put: Put


COLUMNS: tuple[Column, ...] = (
    Column("external_id", "id of the record in its source", "external_id", _whole("external_id")),
    Column("kind", "person (also if empty) or organisation", "kind", _whole("kind")),
    Column("name", "name as it is shown; if empty, given and family name", "name.full", _part("name", "full")),
    Column("given_name", "given name", "name.given", _part("name", "given")),
    Column("family_name", "family name", "name.family", _part("name", "family")),
    Column("birth_date", "YYYY-MM-DD or YYYYMMDD", "birth_date", _day("birth_date")),
    Column("phone", "phone numbers, separated by ;", "phones", _several("phones")),
    Column("email", "e-mail addresses, separated by ;", "emails", _several("emails")),
    Column("street_number", "house number", "address.street_number", _part("address", "street_number")),
    Column("address_1", "first address line", "address.lines.0", _line("address", "lines")),
    Column("address_2", "second address line", "address.lines.1", _line("address", "lines")),
    Column("locality", "city, town or suburb", "address.locality", _part("address", "locality")),
    Column("region", "state, province or county", "address.region", _part("address", "region")),
    Column("postcode", "postal code", "address.postcode", _part("address", "postcode")),
    Column("country", "country", "address.country", _part("address", "country")),
    Column("id_type", "kind of the number, such as tax", "identifiers.0.type", _first("identifiers", "type")),
    Column("id_value", "a number somebody else gave", "identifiers.0.value", _first("identifiers", "value")),
    Column("tags", "tags, separated by ;", "tags", _several("tags")),
    Column("segment", "code in the scheme `segment`", "classification.segment", _part("classification", "segment")),
)
BY_NAME = {column.name: column for column in COLUMNS}
_FILLED = ({"value": ""},)
_NAMES = frozenset({"name", "given_name", "family_name"})


def documentation() -> str:
    """The table of columns as Markdown."""
    rows = (f"| `{column.name}` | {column.meaning} |" for column in COLUMNS)
    return "\n".join(("| column | content |", "|---|---|", *rows))


def cells_of(record: str) -> list[str]:
    """The cells of one record. BadRow if its quotes make no sense."""
    try:
        return next(csv.reader((record,)), [])
    except csv.Error:
        raise BadRow("The row is no CSV: check its quotes.") from None


def row_reader(header: Sequence[str]) -> Callable[[Sequence[str]], Row]:
    """The function from cells to the body of a Register command, for a file with this header.

    Raises Invalid, which tells the place of a wrong column and never its text: a file without a header has a customer
    there. What it returns raises BadRow.
    """
    names = [name.strip().lower() for name in header]
    if errors := list(_header_errors(names)):
        raise Invalid(f"The header is wrong; the columns are {', '.join(BY_NAME)}.", errors=errors)
    puts = [BY_NAME[name].put for name in names]
    # Two lines go into one list, so the second is put after the first whatever the order in the file.
    order = sorted(range(len(names)), key=lambda at: names[at])

    def read(cells: Sequence[str]) -> Row:
        if len(cells) != len(names):
            raise BadRow(f"The row has {len(cells)} cells, the header {len(names)}.")
        row: Row = {"kind": "person"}
        for at in order:
            if cell := cells[at].strip():
                puts[at](row, cell)
        if "value" not in row.get("identifiers", _FILLED)[0]:
            # Files carry the kind of number in every row, also where there is no number.
            del row["identifiers"]
        return row

    return read


def column_of(field: str) -> str:
    """The column that a field of the Register command came from; the field itself if from none."""
    for column in COLUMNS:
        if field == column.field or field.startswith(column.field + "."):
            return column.name
    return field


def _header_errors(names: Sequence[str]) -> list[FieldError]:
    errors = []
    for at, name in enumerate(names):
        if name not in BY_NAME:
            errors.append(FieldError(field=f"column {at + 1}", message="There is no such column."))
        elif name in names[:at]:
            errors.append(FieldError(field=f"column {at + 1}", message=f"The column {name} is there twice."))
    if not errors and _NAMES.isdisjoint(names):
        errors.append(FieldError(field="name", message="One of name, given_name, family_name is needed."))
    return errors[:100]
