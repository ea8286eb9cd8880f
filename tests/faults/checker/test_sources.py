"""Reading the files of a run, and looking for what must not stand in the open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from tests.faults.checker.evidence import Fault
from tests.faults.checker.examples import whole
from tests.faults.checker.sources import leaks, run
from tests.faults.folder import read_lines

INVOKE = {
    "n": 1, "attempt": 1, "at": 0.5, "event": "invoke", "op": "customer.register", "service": "customer", "user": "u",
    "key": "k", "command": "c", "method": "POST", "path": "/customers", "body": {"kind": "person"},
}  # fmt: skip


def told(event: str, **parts: Any) -> dict[str, Any]:
    return {"n": 1, "attempt": 1, "at": 0.9, "event": event, **parts}


def test_a_call_without_an_answer_is_unknown_and_a_dropped_one_never_was() -> None:
    dropped = {"at": 1.0, "event": "dropped", "op": "x"}

    (attempt,) = run.attempts([INVOKE, dropped])

    assert (attempt.outcome, attempt.answered_at) == ("info", None)


def test_a_call_has_the_outcome_that_was_noted() -> None:
    (ok,) = run.attempts([INVOKE, told("ok", status=201, answer={"id": "x"}, replayed=True)])
    (fail,) = run.attempts([INVOKE, told("fail", status=409)])

    assert (ok.outcome, ok.status, ok.answer, ok.replayed, ok.answered_at) == ("ok", 201, {"id": "x"}, True, 0.9)
    assert (fail.outcome, fail.status) == ("fail", 409)


def test_a_torn_last_line_is_left_out_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(orjson.dumps(INVOKE) + b'\n{"n": 2, "att')

    assert read_lines(file) == [INVOKE]
    assert read_lines(tmp_path / "samples.jsonl") == []
    assert run.read_json(tmp_path / "counters.json") == {}


def test_a_fault_is_what_was_last_noted_of_it() -> None:
    begin = {"at": 1.0, "n": 0, "kind": "kill", "target": "kafka", "event": "begin"}
    end = {**begin, "at": 2.0, "event": "end", "evidence": {"before": 1, "after": 2}}

    assert run.faults([begin, end, {**begin, "n": 1}]) == [
        Fault(0, 2.0, "kill", "kafka", "end", {"before": 1, "after": 2}),
        Fault(1, 1.0, "kill", "kafka", "begin", {}),
    ]


def test_a_text_is_found_in_files_whatever_its_case_and_where_a_chunk_ends(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "clean.log").write_bytes(b"nothing")
    (folder / "split.log").write_bytes(b"x" * (leaks.CHUNK - 3) + b"CANary" + b"x")

    assert list(leaks.in_files([folder], (b"canary", b"+614990"))) == ["logs/split.log"]


def test_a_text_is_found_in_stored_records() -> None:
    evidence = whole()

    assert not list(leaks.in_records(evidence.logs.values(), evidence.topics.values(), (b"canary",)))
    found = list(leaks.in_records(evidence.logs.values(), evidence.topics.values(), (b"order.placed",)))
    assert found[0] == "customer 5"
    assert found[1].startswith("customer.events/")
