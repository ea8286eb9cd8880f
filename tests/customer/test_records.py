"""Cutting a file into records, however it is cut into chunks."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.customer.intake.columns import COLUMNS, cells_of, column_of, documentation, row_reader
from services.customer.intake.records import BadRow, CsvRecords, Lines, NdjsonRecords, Record, Records
from shared.errors import Invalid

LIMIT = 200


def cut(content: bytes, records: Records, size: int) -> list[Record]:
    lines, found = Lines(LIMIT), list[Record]()
    for at in range(0, len(content), size):
        for line in lines.feed(content[at : at + size]):
            found.extend(records.take(line))
    for line in lines.end():
        found.extend(records.take(line))
    return [*found, *records.end()]


cells = st.text(st.sampled_from('ab,"\n é'), max_size=6)
tables = st.lists(st.lists(cells, min_size=2, max_size=3), max_size=5)


@given(tables, st.integers(1, 40), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_writes_is_read_back(table: list[list[str]], size: int, line_end: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows(table)
    records = cut(b"\xef\xbb\xbf" + text.getvalue().encode(), CsvRecords(LIMIT), size)

    expected = [row for row in table if ",".join(row).strip()]
    found = [cells_of(record.decode()) for record in records if isinstance(record, bytes)]
    assert [row for row in found if ",".join(row).strip()] == expected


@given(st.lists(st.sampled_from(['{"a":1}', "", "  ", "x"])), st.integers(1, 40))
def test_every_line_that_is_not_blank_is_an_ndjson_record(lines: list[str], size: int) -> None:
    found = cut("\r\n".join(lines).encode(), NdjsonRecords(), size)

    assert found == [line.encode() for line in lines if line.strip()]


def test_a_quote_inside_an_unquoted_cell_is_text() -> None:
    assert cut(b'1,5" pipe\n2,x\n', CsvRecords(LIMIT), 7) == [b'1,5" pipe', b"2,x"]


@pytest.mark.parametrize("records", [CsvRecords(LIMIT), NdjsonRecords()], ids=["csv", "ndjson"])
@pytest.mark.parametrize("size", [1, 50, 1000])
def test_a_line_over_the_limit_is_one_bad_row(records: Records, size: int) -> None:
    first, bad, last = cut(b"a\n" + b"x" * 500 + b"\nb\n", records, size)

    assert (first, last) == (b"a", b"b")
    assert isinstance(bad, BadRow)


def test_a_record_over_the_limit_is_left_out_up_to_its_closing_quote() -> None:
    first, bad, last = cut(b'a,b\n1,"' + b"name,x\n" * 100 + b'"\n2,c\n', CsvRecords(LIMIT), 64)

    assert (first, last) == (b"a,b", b"2,c")
    assert isinstance(bad, BadRow)


def test_a_quote_that_is_never_closed_is_one_bad_row() -> None:
    first, bad = cut(b'a,b\n1,"c\n2,d\n', CsvRecords(LIMIT), 64)

    assert first == b"a,b"
    assert isinstance(bad, BadRow)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        (["external_id", "Mia Zanzibarra"], "column 2"),
        (["name", "name"], "column 2"),
        (["external_id", "phone"], "name"),
        ([""], "column 1"),
    ],
)
def test_a_wrong_header_is_told_by_place(header: list[str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        row_reader(header)

    assert [error["field"] for error in refused.value.errors] == [field]
    assert "Zanzibarra" not in str(refused.value.errors) + refused.value.detail


def test_every_column_is_read_and_documented() -> None:
    cells_by_name = {
        "kind": "organisation",
        "birth_date": "19800229",
        "phone": "1; 2",
        "email": "a@b.cd",
        "tags": "x;y;",
        "id_type": "tax",
    }
    names = [column.name for column in COLUMNS]
    row = row_reader(names)([cells_by_name.get(name, f" {name} ") for name in names])

    assert row == {
        "external_id": "external_id",
        "kind": "organisation",
        "name": {"full": "name", "given": "given_name", "family": "family_name"},
        "birth_date": "1980-02-29",
        "phones": ["1", "2"],
        "emails": ["a@b.cd"],
        "address": {
            "street_number": "street_number",
            "lines": ["address_1", "address_2"],
            "locality": "locality",
            "region": "region",
            "postcode": "postcode",
            "country": "country",
        },
        "identifiers": [{"type": "tax", "value": "id_value"}],
        "tags": ["x", "y"],
        "classification": {"segment": "segment"},
    }
    assert all(f"| `{name}` |" in documentation() for name in names)


def test_an_empty_row_has_a_kind_only_and_a_type_alone_is_no_identifier() -> None:
    assert row_reader(["name", "id_type", "id_value"])(["", "tax", ""]) == {"kind": "person"}


def test_a_row_of_another_length_is_bad() -> None:
    with pytest.raises(BadRow):
        row_reader(["name", "phone"])(["Mia"])


def test_errors_of_fields_name_their_column() -> None:
    assert column_of("phones.1") == "phone"
    assert column_of("address.lines.1") == "address_2"
    assert column_of("name") == "name"
