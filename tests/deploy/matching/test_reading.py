"""Files as they come: any usual encoding and delimiter, and a sentence, never a trace, about what is wrong."""

from __future__ import annotations

import codecs
from pathlib import Path
from random import Random

import pytest

from deploy.embedded.errors import EmbeddedError
from deploy.matching.reading import open_table
from deploy.matching.writing import write_csv

HEADER = "id,full_name,city\n"


def read(folder: Path, content: bytes | str) -> tuple[list[list[str]], list[str]]:
    file = folder / "people.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    table, text = open_table(file)
    with text:
        rows = list(table.rows)
    return [list(table.header), *rows], table.notes.sentences()


@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("gb18030", b""),
    ],
)
def test_every_usual_encoding_is_read(tmp_path: Path, codec: str, mark: bytes) -> None:
    text = HEADER + "1,张伟,北京市朝阳区\n2,Ann Example,London\n"

    found, notes = read(tmp_path, mark + text.encode(codec))

    assert found == [["id", "full_name", "city"], ["1", "张伟", "北京市朝阳区"], ["2", "Ann Example", "London"]]
    assert notes == []


def test_letters_with_marks_in_latin_1_are_not_taken_for_chinese(tmp_path: Path) -> None:
    found, _ = read(tmp_path, (HEADER + "1,José Muñoz,Köln\n2,Zoë Brontë,Århus\n").encode("latin-1"))

    assert found[1:] == [["1", "José Muñoz", "Köln"], ["2", "Zoë Brontë", "Århus"]]


def test_a_damaged_place_is_replaced_and_told(tmp_path: Path) -> None:
    content = (HEADER + "1,张伟,北京市朝阳区建国路\n" * 20).encode() + b"2,\xe5\xbc,x\n"

    found, notes = read(tmp_path, content)

    assert found[1][1] == "张伟"
    assert found[-1][1] == "\ufffd"
    assert "damaged" in notes[0]


@pytest.mark.parametrize("length", [300, 5_000, 3_000_000])
def test_bytes_that_are_no_text_are_refused_as_such(tmp_path: Path, length: int) -> None:
    for seed in range(5):
        with pytest.raises(EmbeddedError, match="is no text"):
            read(tmp_path, Random(seed).randbytes(length))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_usual_delimiter_is_read(tmp_path: Path, delimiter: str) -> None:
    text = "\n".join(delimiter.join(cells) for cells in (["id", "full_name"], ["1", '"a,b;c|d\te"'])) + "\n"

    assert read(tmp_path, text)[0] == [["id", "full_name"], ["1", "a,b;c|d\te"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_ending_and_line_breaks_in_cells_are_read(tmp_path: Path, end: str) -> None:
    text = HEADER.replace("\n", end) + f'1,"Ann{end}Example",x{end}{end}2,Eve,y'

    assert read(tmp_path, text)[0][1:] == [["1", f"Ann{end}Example", "x"], ["2", "Eve", "y"]]


def test_ragged_rows_are_fitted_and_told(tmp_path: Path) -> None:
    found, notes = read(tmp_path, HEADER + "1,Ann\n2,Eve,London,surplus\n3,Bob,Paris,,\n4\n")

    assert found[1:] == [["1", "Ann", ""], ["2", "Eve", "London"], ["3", "Bob", "Paris"], ["4", "", ""]]
    assert notes == [
        "2 rows (1, 4) have fewer cells than the header; the missing ones are taken as empty.",
        "Row 2 has more cells than the header; the surplus was left out.",
    ]


def test_nul_characters_are_left_out_and_told(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER + "1,A\0nn,x\n") == (
        [["id", "full_name", "city"], ["1", "Ann", "x"]],
        ["1 NUL characters were left out."],
    )


def test_a_cell_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, HEADER + f"1,{'x' * 10_000_000},y\n")[0][1][1]) == 10_000_000


def test_a_quote_inside_a_word_stays(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER + '1,5" pipe,x\n2,a "b" c,y\n')[0][1:] == [
        ["1", '5" pipe', "x"],
        ["2", 'a "b" c', "y"],
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (HEADER.encode() + b'1,"Ann,x\n2,Eve,y\n', "row 1 (line 2) is not closed"),
        (b"PK\x03\x04....", "Excel"),
        (b"\x1f\x8b\x08....", "gzip"),
        (b"PAR1....", "Parquet"),
        (b",,\n1,2,3\n", "no header"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(EmbeddedError, match=words.replace("(", r"\(").replace(")", r"\)")) as refused:
        read(tmp_path, content)

    assert "people.csv" in str(refused.value)


def test_a_written_file_is_whole(tmp_path: Path) -> None:
    write_csv(tmp_path / "out.csv", ["id", "name"], [["1", "a,b"], ["2", "张"]])

    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == 'id,name\n1,"a,b"\n2,张\n'
    with pytest.raises(EmbeddedError, match="cannot be written"):
        write_csv(tmp_path / "absent" / "out.csv", ["id"], [])
