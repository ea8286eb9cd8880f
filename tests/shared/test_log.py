import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import psycopg
import pymongo.errors
import pytest
import structlog
from pydantic import BaseModel

from shared import log, metrics


class Registration(BaseModel):
    year: int


@pytest.fixture
def lines() -> Iterator[Any]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    log.configure("customer")
    written = io.StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in written.getvalue().splitlines()]

    yield read
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def test_a_line_names_service_level_logger_and_correlation(lines: Any) -> None:
    with log.bound_correlation("c-1"):
        log.get_logger("tests.one").info("customer registered", customer="42")
    log.get_logger("tests.one").info("later")

    first, second = lines()
    assert {name: first[name] for name in ("service", "level", "logger", "correlation", "event", "customer")} == {
        "service": "customer",
        "level": "info",
        "logger": "tests.one",
        "correlation": "c-1",
        "event": "customer registered",
        "customer": "42",
    }
    assert "correlation" not in second


@pytest.mark.parametrize("name", ["uvicorn.error", "faststream", "aiokafka", "some.library"])
def test_lines_of_libraries_look_like_ours(lines: Any, name: str) -> None:
    with log.bound_correlation("c-2"):
        logging.getLogger(name).warning("took %s", 3, extra={"topic": "customer.events"})

    (line,) = lines()
    assert (line["event"], line["topic"], line["correlation"], line["service"]) == (
        "took 3",
        "customer.events",
        "c-2",
        "customer",
    )


def test_values_of_personal_fields_are_blanked_at_any_depth(lines: Any) -> None:
    log.get_logger("t").info("x", phone="SECRET", records=[{"data": {"a": "SECRET"}}, {"Email": "SECRET"}], count=1)

    (line,) = lines()
    assert "SECRET" not in json.dumps(line)
    assert line["count"] == 1


def test_an_exception_has_type_and_stack_of_itself_and_its_cause(lines: Any) -> None:
    def fail() -> None:
        try:
            Registration.model_validate({"year": "SECRET"})
        except ValueError as wrong:
            raise RuntimeError("customer 42 was refused") from wrong

    try:
        fail()
    except RuntimeError:
        log.get_logger("t").exception("failed")

    (line,) = lines()
    outer, cause = line["exception"]
    assert (outer["type"], outer["message"]) == ("builtins.RuntimeError", "customer 42 was refused")
    assert cause["message"] == "year: int_parsing"
    assert any("test_log.py" in frame for frame in outer["stack"])
    assert "SECRET" not in json.dumps(line)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.IntegrityError("duplicate key\nDETAIL: Key (n)=(SECRET) exists"),
        pymongo.errors.DuplicateKeyError("dup key: SECRET", 11000),
        pymongo.errors.BulkWriteError({"writeErrors": [{"op": "SECRET"}]}),
    ],
)
def test_what_databases_quote_is_left_out(error: Exception) -> None:
    assert "SECRET" not in log.safe_message(error)


def test_every_metric_of_a_service_is_declared_in_one_file_with_a_meaning() -> None:
    root = Path(metrics.__file__).parents[1]
    sources = [path for top in ("shared", "services") for path in (root / top).rglob("*.py")]
    users = {
        path.name
        for path in sources
        if re.search(r"^\s*(import|from) prometheus_client", path.read_text(), re.MULTILINE)
    }

    assert users == {"metrics.py"}
    declared = [
        value for value in vars(metrics).values() if isinstance(value, prometheus_client.metrics.MetricWrapperBase)
    ]
    assert len(declared) > 20
    assert all(metric._documentation.endswith(".") for metric in declared)
    used = {name for path in sources for name in re.findall(r"\bmetrics\.([A-Z][A-Z_]+)\b", path.read_text())}
    assert used <= set(vars(metrics))


def test_a_library_that_repeats_itself_is_heard_once_in_a_while() -> None:
    few = log.FewerRepeats("aiokafka", 10.0)

    def line(name: str, second: float, node: int) -> logging.LogRecord:
        record = logging.LogRecord(name, logging.ERROR, "", 1, "Unable connect to node with id %s", (node,), None)
        record.created = second
        return record

    heard = [line("aiokafka.conn", 1000 + tenth / 10, tenth % 3) for tenth in range(150)]

    shown = [record for record in heard if few.filter(record)]

    assert [(record.created, getattr(record, "repeats", 0)) for record in shown] == [(1000.0, 0), (1010.0, 99)]
    assert few.filter(line("aiokafka.client", 1000, 1))
    assert all(few.filter(line("custlog", 1000, 1)) for _ in range(3))
