"""What `custlog status` makes of the readiness of a service."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from deploy.commands import status
from deploy.commands.status import Seen, remarks, total_lag
from deploy.embedded.home import Home

FINE = {
    "ok": True,
    "checks": {"postgres": "ok", "consumer": "ok", "relay": "ok"},
    "lag": {"consumer customer.events": 0, "relay identity.events": 0},
    "parked": 0,
}
BEHIND = FINE | {"lag": {"consumer customer.events": 12, "relay identity.events": 3}}
UNKNOWN = FINE | {
    "checks": {"postgres": "ok", "consumer": "lag not known yet: consumer customer.events", "relay": "ok"},
    "lag": {"consumer customer.events": None, "relay identity.events": 3},
}


def test_a_service_that_is_fine_says_nothing() -> None:
    assert (total_lag(FINE), remarks(FINE)) == ("0", [])


def test_where_records_wait_is_told_line_by_line() -> None:
    assert total_lag(BEHIND) == "15"
    assert remarks(BEHIND) == ["consumer customer.events is 12 behind", "relay identity.events is 3 behind"]


def test_a_lag_that_is_not_known_is_a_question_mark() -> None:
    assert total_lag(UNKNOWN) == "?"
    assert remarks(UNKNOWN) == [
        "consumer lag not known yet: consumer customer.events",
        "relay identity.events is 3 behind",
    ]


def test_a_service_without_an_answer_has_no_lag_to_show() -> None:
    assert total_lag({}) == ""
    assert remarks({"error": "ConnectionRefusedError"}) == ["its readiness cannot be read: ConnectionRefusedError"]


def test_the_table_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    monkeypatch.setattr(status, "STDOUT", console)
    seen = [
        Seen("notifications", "service", up=True, ready=False, pid=4_194_304, port=65_535, restarts=99, detail=BEHIND),
        Seen("postgres", "server", up=True, ready=True, pid=1, port=5432, restarts=0, detail={}),
    ]

    status._show(Home.at(tmp_path), "ready", seen)

    shown = [line.rstrip() for line in console.export_text().splitlines()]
    console.file.close()
    assert shown[2].split() == ["notifications", "up,", "not", "ready", "4194304", "65535", "99", "15", "0"]
    assert shown[4:] == [
        "notifications: consumer customer.events is 12 behind",
        "notifications: relay identity.events is 3 behind",
    ]
