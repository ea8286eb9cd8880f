"""Failures as HTTP answers: problem+json (RFC 9457), always with the correlation id, never with input values."""

import re
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared import log
from shared.errors import CustlogError, FieldError, Invalid, Malformed, NotFound, Unavailable, UnsupportedMedia

MEDIA_TYPE = "application/problem+json"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "correlation"],
    "properties": {
        "type": {"type": "string", "description": "urn:custlog:problem:<code>; stable, for programs"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what happened and what to do, for people"},
        "correlation": {"type": "string", "format": "uuid", "description": "quote it when you ask for help"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
"""JSON Schema of every failure's body."""

UNAVAILABLE = frozenset(
    {
        "psycopg.OperationalError",
        "psycopg.InterfaceError",
        "pymongo.errors.ConnectionFailure",
        "pymongo.errors.ExecutionTimeout",
        "pymongo.errors.WTimeoutError",
        "aiokafka.errors.KafkaError",
        "eventsourcing.persistence.OperationalError",
        "eventsourcing.persistence.InterfaceError",
        "eventsourcing.persistence.ConnectionPoolClosedError",
        "builtins.ConnectionError",
    }
)
"""Exceptions that mean: a server does not answer. By full name, so that no service loads another's drivers."""


class _MethodNotAllowed(CustlogError):
    status = 405
    code = "method-not-allowed"
    title = "Method not allowed"


def known(error: Exception) -> CustlogError | None:
    """The expected failure that an exception stands for; None if it is a defect."""
    if isinstance(error, CustlogError):
        return error
    if any(f"{kind.__module__}.{kind.__qualname__}" in UNAVAILABLE for kind in type(error).__mro__):
        return Unavailable("A server this service depends on does not answer. Nothing was changed; try again.")
    return None


def answer(error: CustlogError, *, headers: dict[str, str] | None = None) -> Response:
    """The problem+json response of a failure. The detail of a 500 stays in the log."""
    body: dict[str, Any] = {
        "type": f"urn:custlog:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "correlation": log.correlation(),
    }
    if error.detail and error.status != 500:
        body["detail"] = error.detail
    if error.errors:
        body["errors"] = error.errors
    return Response(orjson.dumps(body), error.status, {**error.headers(), **(headers or {})}, MEDIA_TYPE)


async def answer_expected(request: Request, error: Exception) -> Response:
    """Exception handler for CustlogError."""
    if not isinstance(error, CustlogError):
        raise error
    return _refuse(request, error)


async def answer_routing(request: Request, error: Exception) -> Response:
    """Exception handler for the framework's own answers: unknown address, method not allowed, unreadable body."""
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error.__cause__, CustlogError):
        return _refuse(request, error.__cause__)
    failure: CustlogError
    match error.status_code:
        case 404:
            failure = NotFound("There is nothing at this address; see /openapi.json.")
        case 405:
            failure = _MethodNotAllowed("This address does not take this method; see the Allow header.")
        case _:
            failure = Malformed("The request could not be read.")
    return _refuse(request, failure, headers=dict(error.headers or {}))


async def answer_validation(request: Request, error: Exception) -> Response:
    """Exception handler for input that breaks its model: names each field and what it should be, never what it was."""
    if not isinstance(error, RequestValidationError):
        raise error
    items = error.errors()
    if any(item["type"] == "json_invalid" for item in items):
        return _refuse(request, Malformed("The body is not valid JSON."))
    if any(item["loc"] == ("body",) for item in items) and "json" not in request.headers.get("content-type", ""):
        return _refuse(request, UnsupportedMedia("This address reads application/json."))
    invalid = Invalid("Correct the named fields and send the request again.", errors=field_errors(items))
    return _refuse(request, invalid)


def _refuse(request: Request, error: CustlogError, *, headers: dict[str, str] | None = None) -> Response:
    request.state.refused = error  # for whoever takes note of refusals
    return answer(error, headers=headers)


def field_errors(items: Any) -> list[FieldError]:
    """Field and message of pydantic's error items, without the input they came from."""
    return [FieldError(field=_path(item["loc"]), message=_message(item)) for item in items][:100]


def _path(loc: tuple[Any, ...]) -> str:
    place = loc[1:] if len(loc) > 1 and loc[0] == "body" else loc
    # Names stand here that the sender made up: what does not look like one may be anything, a person's data too.
    return ".".join(name if _NAME.fullmatch(name := str(part)[:64]) else _NO_NAME for part in place)


def _message(item: Any) -> str:
    # Some of pydantic's own sentences quote the input.
    if item["type"] in ("value_error", "assertion_error"):
        return str(item["msg"]).removeprefix("Value error, ")
    return _PLAIN.get(item["type"], str(item["msg"]))


_NAME = re.compile(r"[A-Za-z0-9_.:\-\[\](){}',]*")
_NO_NAME = "*"
_PLAIN = {
    "extra_forbidden": "There is no such field.",
    "missing": "This field is required.",
    "json_invalid": "This is not valid JSON.",
    "union_tag_invalid": "This is none of the known kinds.",
    "uuid_parsing": "This must be a UUID.",
    "literal_error": "This is none of the allowed words.",
}
