"""Writing the history of a load and reading it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.ids import derive
from tests.faults.folder import RunFolder
from tests.faults.history import Command, Writer, read

Tell = Callable[[Writer], object]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def _about(op: str = "customer.tag", **more: Any) -> dict[str, Any]:
    about = {
        "op": op,
        "service": "customer",
        "user": "load-sales",
        "key": "k1",
        "command": derive("command", "load-sales", "k1"),
        "method": "POST",
        "path": "/customers",
        "body": {"add": ["n1"]},
        "customer": None,
        "expect": None,
    }
    return {**about, **more}


def _told(run: RunFolder, *tells: Tell, about: dict[str, Any] | None = None) -> Command:
    """What the reader makes of one command with these attempts."""
    lines = run.lines("history")
    writer = Writer(lines, run.now)
    for attempt, tell in enumerate(tells, start=1):
        writer.invoke(1, attempt, about or _about())
        tell(writer)
    lines.close()
    return read(run.path / "history.jsonl").commands[1]


def _ok(attempt: int) -> Tell:
    return lambda writer: writer.ok(1, attempt, 200, {"id": "x", "version": 2}, replayed=attempt > 1)


def _fail(attempt: int) -> Tell:
    return lambda writer: writer.fail(1, attempt, 409, "conflict")


def _info(attempt: int) -> Tell:
    return lambda writer: writer.info(1, attempt, None, "TimeoutError")


def _nothing(_: Writer) -> None:
    return


@pytest.mark.parametrize(
    ("tells", "outcome"),
    [
        ((_ok(1),), "ok"),
        ((_fail(1),), "refused"),
        ((_info(1),), "unknown"),
        ((_nothing,), "unknown"),
        ((_info(1), _ok(2)), "ok"),
        ((_info(1), _info(2)), "unknown"),
        ((_info(1), _nothing), "unknown"),
        ((_info(1), _fail(2)), "unknown"),
        ((_nothing, _fail(2)), "unknown"),
        ((_ok(1), _ok(2)), "ok"),
        ((_ok(1), _info(2)), "ok"),
        ((_ok(1), _fail(2)), "ok"),
    ],
)
def test_the_outcome_is_that_of_all_attempts_together(run: RunFolder, tells: tuple[Tell, ...], outcome: str) -> None:
    command = _told(run, *tells)

    assert command.outcome == outcome
    assert len(command.attempts) == len(tells)
    assert (command.ended is None) == (outcome == "unknown")


def test_every_good_answer_is_kept(run: RunFolder) -> None:
    command = _told(run, _info(1), _ok(2), _ok(3))

    assert command.answers == [{"id": "x", "version": 2}] * 2
    assert command.answer == {"id": "x", "version": 2}
    assert [attempt.replayed for attempt in command.attempts] == [False, True, True]
    assert command.invoked <= (command.ended or 0)


def test_a_torn_last_line_is_left_out(run: RunFolder) -> None:
    _told(run, _info(1), _ok(2))
    path = run.path / "history.jsonl"
    path.write_bytes(path.read_bytes()[:-9])

    assert read(path).commands[1].outcome == "unknown"


def test_a_torn_line_in_the_middle_is_no_history(run: RunFolder) -> None:
    _told(run, _ok(1))
    path = run.path / "history.jsonl"
    path.write_bytes(b'{"n": 1, "att\n' + path.read_bytes())

    with pytest.raises(ValueError, match=r"line 1 of history\.jsonl"):
        read(path)


def test_dropped_arrivals_are_counted(run: RunFolder) -> None:
    lines = run.lines("history")
    writer = Writer(lines, run.now)
    writer.dropped()
    writer.dropped()
    lines.close()

    history = read(run.path / "history.jsonl")

    assert history.dropped == 2
    assert not list(history)


def test_every_row_of_a_file_has_an_outcome_of_its_own(run: RunFolder) -> None:
    rows: list[list[dict[str, Any]]] = [
        [{"row": 1, "status": 201, "id": "a"}, {"row": 2, "status": 422}, {"row": 3, "status": 503}]
    ]
    rows.append([{"row": 1, "status": 200, "id": "a"}, {"row": 2, "status": 422}])
    about = _about("import", body={"source": "file", "rows": [{}, {}, {}, {}]})

    command = _told(
        run,
        lambda writer: writer.info(1, 1, 200, "some rows are to be sent again", rows[0]),
        lambda writer: writer.info(1, 2, 200, "2 of 4 rows were answered", rows[1]),
        about=about,
    )

    imported = command.imported()
    assert [row.outcome for row in imported] == ["ok", "refused", "unknown", "unknown"]
    assert imported[0].id == "a"
    assert imported[0].statuses == (201, 200)
    assert imported[0].command == derive("intake", "load-sales", "file", "k1", "1")


def test_a_file_that_was_refused_as_a_whole_has_no_row(run: RunFolder) -> None:
    about = _about("import", body={"source": "file", "rows": [{}, {}]})

    assert [row.outcome for row in _told(run, _fail(1), about=about).imported()] == ["refused", "refused"]
