"""Logging: one JSON line per event on stderr, for our own loggers and those of the libraries alike.

Call `configure` once at start and `get_logger(__name__)` everywhere. Name what happened and to which id; personal
data is never passed to a logger, and the redaction below is only the last defence.
"""

import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, cast

import orjson
import structlog
from structlog.contextvars import bound_contextvars, get_contextvars
from structlog.typing import EventDict, WrappedLogger

REDACTED = "[redacted]"
SECRET_NAMES = frozenset(
    {
        "name",
        "names",
        "given_name",
        "family_name",
        "full_name",
        "first_name",
        "last_name",
        "phone",
        "email",
        "contact",
        "address",
        "street",
        "city",
        "postcode",
        "birth_date",
        "birthdate",
        "date_of_birth",
        "identifier",
        "value",
        "values",
        "body",
        "data",
        "payload",
        "input",
        "text",
        "content",
        "sealed",
        "ct",
        "token",
        "authorization",
        "cookie",
        "password",
        "secret",
        "key",
        "kek",
        "dek",
        "private_key",
        "args",
    }
)
"""Fields that may hold personal data or secrets: their values never reach a log line, at any depth."""

REPEAT_SECONDS = 10.0
"""A line of aiokafka is shown again only after so long: without a broker it says the same ten times a second."""

_ROUTED = ("uvicorn", "uvicorn.error", "uvicorn.access", "faststream", "aiokafka", "py.warnings")
_MAX_MESSAGE = 500


def configure(service: str, level: str = "INFO") -> None:
    """Sends all logging of this process to stderr as JSON lines that carry the service's name. Idempotent."""
    structlog.configure(
        processors=[*_shared_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _ROUTED:
        routed = logging.getLogger(name)
        routed.handlers.clear()
        routed.propagate = True
    for quiet in ("aiokafka", "httpx", "pymongo"):
        logging.getLogger(quiet).setLevel(max(logging.WARNING, root.level))
    handler.addFilter(FewerRepeats("aiokafka", REPEAT_SECONDS))
    logging.captureWarnings(capture=True)


class FewerRepeats(logging.Filter):
    """Lets a line of one library through once per `seconds`, however often it says the same, whatever the values.

    The line that comes through again tells how many like it were left out (`repeats`).
    """

    def __init__(self, library: str, seconds: float) -> None:
        super().__init__()
        self._library = logging.Filter(library)
        self._seconds = seconds
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is shown."""
        if not self._library.filter(record):
            return True
        # The template, not the message: its number is that of the library's calls, so this stays small.
        said = (record.name, record.levelno, str(record.msg))
        shown, left_out = self._said.get(said, (-self._seconds, 0))
        if record.created - shown < self._seconds:
            self._said[said] = (shown, left_out + 1)
            return False
        self._said[said] = (record.created, 0)
        if left_out:
            record.repeats = left_out
        return True


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; call as `log.info("what happened", customer=id)`."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def bound_correlation(correlation: str) -> AbstractContextManager[None]:
    """Puts the correlation id on every log line written within, by tasks started there too."""
    return bound_contextvars(correlation=correlation)


def correlation() -> str | None:
    """The correlation id of the present task, None outside a request or record."""
    return cast("str | None", get_contextvars().get("correlation"))


def safe_message(error: BaseException) -> str:
    """What an exception says, without the values it may quote."""
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    if {"pydantic_core.ValidationError", "fastapi.RequestValidationError", "fastapi.ResponseValidationError"} & kinds:
        places = (
            ".".join(str(part) for part in item["loc"]) + ": " + item["type"] for item in cast("Any", error).errors()
        )
        return "; ".join(places)[:_MAX_MESSAGE]
    if "pymongo.PyMongoError" in kinds and hasattr(error, "details"):
        return f"code {getattr(error, 'code', None)}"
    if "psycopg.Error" in kinds:
        return str(error).partition("\n")[0][:_MAX_MESSAGE]
    return str(error)[:_MAX_MESSAGE]


def _shared_processors() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(service: str) -> structlog.stdlib.ProcessorFormatter:
    def name_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            name_service,
            render_exception,
            redact,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: blanks the values of fields in SECRET_NAMES, at any depth."""
    return cast("EventDict", _redacted(event))


def _redacted(value: Any) -> Any:
    if isinstance(value, MutableMapping):
        return {
            name: REDACTED if str(name).lower() in SECRET_NAMES else _redacted(part) for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redacted(part) for part in value]
    return value


def render_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: replaces exc_info by type, safe message and stack of the exception and of its causes."""
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    if info is True:
        error = sys.exception()
    if error is not None:
        event["exception"] = [
            {"type": _type_name(link), "message": safe_message(link), "stack": _stack(link)} for link in _chain(error)
        ]
    return event


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _stack(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-30:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _type_name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _to_json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
