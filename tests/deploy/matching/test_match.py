"""`custlog match` and its words: files in, files out, and a sentence about whatever is wrong."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from deploy import cli
from services.identity.matching.model import shipped, to_json
from tests.support.population import generate

Run = Callable[..., tuple[int, str, str]]

PEOPLE = """id,kind,full_name,birth_date,phone,city,shoe size
a,person,Ann Example,1980-02-03,+1 555 010 0199,London,44
b,person,Bob Tester,1975-07-01,+1 555 010 0142,Paris,41
c,person,EXAMPLE Ann,1980-02-03,0015550100199,London,
d,org,Example Trading Ltd,,,London,
"""


@pytest.fixture
def custlog(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["custlog", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def clusters(file: str = "out.csv") -> list[list[str]]:
    with Path(file).open(encoding="utf-8", newline="") as text:
        return list(csv.reader(text))


def pairs_together(file: str) -> int:
    sizes = Counter(entity for _, entity in clusters(file)[1:])
    return sum(size * (size - 1) // 2 for size in sizes.values())


def test_every_row_gets_the_entity_of_its_cluster_in_the_order_of_the_file(custlog: Run) -> None:
    code, out, err = custlog("match", "people.csv", "--out", "out.csv", "--pairs", "pairs.csv")

    assert code == 0
    assert clusters() == [["id", "entity_id"], ["a", "a"], ["b", "b"], ["c", "a"], ["d", "d"]]
    assert clusters("pairs.csv")[0] == ["id_a", "id_b", "weight", "decision"]
    assert [row[:2] + row[3:] for row in clusters("pairs.csv")[1:]] == [["a", "c", "merge"]]
    assert "records 4, entities 3, largest 2" in out
    assert "shoe size" in err


def test_json_is_one_object_and_nothing_else(custlog: Run) -> None:
    code, out, err = custlog("match", "--json", "people.csv", "--out", "out.csv")

    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert (answer["records"], answer["entities"], answer["ignored_columns"]) == (4, 3, ["shoe size"])


def test_the_order_of_the_rows_does_not_change_the_entities(custlog: Run, tmp_path: Path) -> None:
    head, *rows = PEOPLE.splitlines(keepends=True)
    (tmp_path / "other.csv").write_text("".join([head, *reversed(rows)]), encoding="utf-8")

    custlog("match", "people.csv", "--out", "out.csv")
    custlog("match", "other.csv", "--out", "reversed.csv")

    assert sorted(clusters()) == sorted(clusters("reversed.csv"))


def test_a_mapping_names_columns_that_are_not_known(custlog: Run, tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("Kunde,Wer\n1,Ann Example\n2,Ann Example\n", encoding="utf-8")
    (tmp_path / "m.toml").write_text('[columns]\nKunde = "id"\nWer = "full_name"\n', encoding="utf-8")

    code, out, _ = custlog("match", "names.csv", "--mapping", "m.toml", "--out", "out.csv", "--json")

    assert code == 0
    assert json.loads(out)["ignored_columns"] == []
    assert [row[0] for row in clusters()[1:]] == ["1", "2"]


def test_rows_without_an_id_are_named_by_their_number(custlog: Run, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("full_name\nAnn\nBob\n", encoding="utf-8")
    (tmp_path / "some.csv").write_text("id,full_name\nx,Ann\n,Bob\n", encoding="utf-8")

    custlog("match", "none.csv", "--out", "none-out.csv")
    _, out, _ = custlog("match", "some.csv", "--out", "some-out.csv", "--json")

    assert [row[0] for row in clusters("none-out.csv")] == ["id", "1", "2"]
    assert [row[0] for row in clusters("some-out.csv")] == ["id", "x", "row-2"]
    assert json.loads(out)["notes"] == ["Row 2 has no id; the name row-N was given, N being the row's number."]


def test_a_file_with_a_header_alone_has_no_entities(custlog: Run, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("id,full_name\n", encoding="utf-8")

    assert custlog("match", "none.csv", "--out", "out.csv")[0] == 0
    assert clusters() == [["id", "entity_id"]]


@pytest.mark.parametrize(
    ("content", "words", "sentence"),
    [
        ("", [], "is empty"),
        ("id,id\n1,2\n", [], "column 2: There is a column for id already"),
        ("17,Ann Example\n", [], "None of the 2 columns"),
        ("id,full_name\n1,Ann\n1,Bob\n", [], "1 rows have the id of an earlier row (1 and 2)"),
        ('id,full_name\n1,"Ann\n2,Bob\n', [], "is not closed"),
        (PEOPLE, ["--model", "nothing"], "no model 'nothing' is shipped"),
        (PEOPLE, ["--model", "absent.json"], "cannot be read"),
        (PEOPLE, ["--model", "bad.csv"], "not a matching model"),
        (PEOPLE, ["--mapping", "bad.csv"], "is no TOML"),
        (PEOPLE, ["--mapping", "bad.toml"], "columns.kunde: This has to be one of"),
        (PEOPLE, ["--country", "China"], "two letters"),
        (PEOPLE, ["--out", "absent/out.csv"], "cannot be written"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    custlog: Run, tmp_path: Path, content: str, words: list[str], sentence: str
) -> None:
    (tmp_path / "bad.csv").write_text(content, encoding="utf-8")
    (tmp_path / "bad.toml").write_text('[columns]\nkunde = "name"\n', encoding="utf-8")

    code, out, err = custlog("match", "bad.csv", "--out", "out.csv", *words)

    assert (code, out) == (1, "")
    assert err.startswith("custlog: ")
    assert sentence in err
    assert "Ann" not in err
    assert not Path("out.csv").exists()


def test_absurd_values_do_not_stop_a_run(custlog: Run, tmp_path: Path) -> None:
    rows = [
        ["id", "full_name", "birth_date", "phone", "email", "street"],
        ["huge", "x" * 3_000_000, "", "", "", ""],
        ["control", "\x01\x02\u202e\ufffe", "99999999", "--", "@@", "\t"],
        *([f"same{n}", f"Name {n}", "0000-00-00", "13800138000", "a@b.c", "1 Main St"] for n in range(1500)),
    ]
    with (tmp_path / "absurd.csv").open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows(rows)

    code, out, _ = custlog("match", "absurd.csv", "--out", "out.csv", "--json")

    assert code == 0
    assert len(clusters()) == len(rows)
    assert json.loads(out)["largest"] <= shipped().guards.size
    assert json.loads(out)["held"]["size"] > 0


def test_an_evaluation_tells_pairs_closure_segments_and_intervals(custlog: Run, tmp_path: Path) -> None:
    generate(300, 3).write(tmp_path / "r.csv", tmp_path / "t.csv")

    code, out, _ = custlog("match", "evaluate", "--records", "r.csv", "--truth", "t.csv", "--json")

    answer = json.loads(out)
    assert code == 0
    assert set(answer["segments"]) == {"kind", "script", "source"}
    assert 0.5 < answer["closure"]["recall"] <= answer["blocking_recall"] <= 1
    low, high = answer["intervals_95"]["closure_f1"]
    assert low <= answer["closure"]["f1"] <= high


def test_clusters_of_another_program_are_judged_beside_the_truth(custlog: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,entity_id\na,1\nb,2\nc,1\nd,3\n", encoding="utf-8")
    (tmp_path / "c.csv").write_text("id,entity_id\na,x\nb,x\nc,y\nd,z\n", encoding="utf-8")

    words = ["match", "evaluate", "--records", "people.csv", "--truth", "t.csv", "--clusters", "c.csv"]
    answer: dict[str, Any] = json.loads(custlog(*words, "--json")[1])

    assert answer["closure"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert custlog(*words)[0] == 0


def test_a_truth_of_another_set_is_refused(custlog: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,entity_id\nz,1\n", encoding="utf-8")

    code, _, err = custlog("match", "evaluate", "--records", "people.csv", "--truth", "t.csv")

    assert code == 1
    assert "No id of people.csv is in the truth" in err


def test_an_explanation_adds_up(custlog: Run) -> None:
    code, out, _ = custlog("match", "explain", "people.csv", "a", "c", "--json")

    told = json.loads(out)
    assert (code, told["together"], told["held"]) == (0, True, None)
    assert told["prior"] + sum(bar["weight"] for bar in told["bars"]) == told["weight"]
    assert custlog("match", "explain", "people.csv", "a", "b")[0] == 0
    assert "no row with the id 'z'" in custlog("match", "explain", "people.csv", "a", "z")[2]


def test_an_explanation_is_drawn(custlog: Run) -> None:
    code, out, _ = custlog("match", "explain", "people.csv", "a", "c", "--svg", "why.svg", "--json")

    weight = json.loads(out)["weight"]
    picture = Path("why.svg").read_text(encoding="utf-8")
    texts = [text.text for text in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert code == 0
    assert {"a", "c", "Ann Example", "They are one entity.", f"+{weight // 1000}.{weight % 1000:03} bits: merge"} <= {
        *texts
    }
    assert "cannot be written" in custlog("match", "explain", "people.csv", "a", "c", "--svg", "none/why.svg")[2]


def test_a_model_in_the_shadow_tells_what_it_would_change(custlog: Run, tmp_path: Path) -> None:
    strict = json.loads(to_json(shipped()))
    (tmp_path / "strict.json").write_text(json.dumps(strict | {"merge": 10**6}), encoding="utf-8")

    code, out, _ = custlog("match", "shadow", "people.csv", "--with", "strict.json", "--out", "out.csv", "--json")

    answer = json.loads(out)
    assert code == 0
    assert answer["pairs"] == {"kept": 0, "gained": 0, "lost": 1}
    assert clusters() == [["id_a", "id_b", "change"], ["a", "c", "lost"]]


def test_models_in_the_shadow_can_be_weighed_by_as_they_are(custlog: Run, tmp_path: Path) -> None:
    generate(300, 7).write(tmp_path / "r.csv", tmp_path / "t.csv")
    custlog("match", "r.csv", "--as-is", "--out", "as-is.csv")
    custlog("match", "r.csv", "--out", "adapted.csv")

    told = json.loads(custlog("match", "shadow", "r.csv", "--with", "default", "--as-is", "--json")[1])

    assert (told["pairs"]["gained"], told["pairs"]["lost"]) == (0, 0)
    assert told["pairs"]["kept"] == pairs_together("as-is.csv") != pairs_together("adapted.csv")


def test_a_file_goes_to_splink_and_its_links_come_back_as_proposals(custlog: Run, tmp_path: Path) -> None:
    assert custlog("match", "splink", "people.csv", "--for", "engine")[0] == 0
    settings = json.loads(Path("engine/settings.json").read_bytes())
    assert {comparison["output_column_name"] for comparison in settings["comparisons"]} >= {"surname", "phone", "city"}
    assert len(clusters("engine/records.csv")) == 5

    (tmp_path / "links.csv").write_text("match_probability,unique_id_l,unique_id_r\n0.9,c,a\n0.8,a,b\n", "utf-8")
    assert custlog("match", "splink", "people.csv", "--links", "links.csv", "--out", "out.csv")[0] == 0
    assert [row[:2] + row[3:] for row in clusters()[1:]] == [["a", "c", "merge"], ["a", "b", "new"]]
    assert "either" in custlog("match", "splink", "people.csv")[2]


def test_a_model_is_fitted_to_a_file_with_and_without_labels(custlog: Run, tmp_path: Path) -> None:
    generate(90, 4).write(tmp_path / "r.csv", tmp_path / "t.csv")

    assert custlog("match", "calibrate", "r.csv", "--out", "plain.json")[0] == 0
    code, out, _ = custlog("match", "calibrate", "r.csv", "--out", "taught.json", "--truth", "t.csv", "--json")

    assert code == 0
    told = json.loads(out)
    assert told["right_after"] > 0.99 * told["labels"]
    assert told["same"] > 0
    assert custlog("match", "r.csv", "--model", "taught.json", "--out", "out.csv")[0] == 0
    for model in ("plain.json", "taught.json"):
        assert json.loads(Path(model).read_bytes())["frequencies"]["tables"] == {}


def test_labels_have_to_be_of_both_kinds_and_of_this_file(custlog: Run, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id_a,id_b,same\na,c,1\n", encoding="utf-8")
    (tmp_path / "z.csv").write_text("id_a,id_b,same\na,z,1\n", encoding="utf-8")
    (tmp_path / "m.csv").write_text("id_a,id_b,same\na,c,perhaps\n", encoding="utf-8")

    words = ["match", "calibrate", "people.csv", "--out", "m.json", "--labels"]
    assert "are both needed" in custlog(*words, "l.csv")[2]
    assert "row 1 names a record that people.csv does not have" in custlog(*words, "z.csv")[2]
    assert "has to be 1 or 0" in custlog(*words, "m.csv")[2]
