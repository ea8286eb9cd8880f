"""Request bodies before anybody parses them: size, media type, and JSON without its traps."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Malformed, TooLarge, UnsupportedMedia

MAX_DEPTH = 32
MAX_QUERY_BYTES = 8 * 1024
MEDIA_TYPES = (
    "application/json",
    "application/x-ndjson",
    "text/csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)


def read_json(body: bytes) -> Any:
    """The value of a JSON text. Malformed if it is not UTF-8 JSON or holds NUL, NaN, a name twice or over 32 levels."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        raise Malformed(f"The JSON cannot be read at character {wrong.pos}: check syntax, UTF-8 and nesting.") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    if b"\\u0000" in body and _holds_nul(value):
        raise Malformed("The JSON holds a NUL character; remove it.")
    try:
        json.loads(body, object_pairs_hook=_check_names)
    except ValueError:
        raise Malformed("The JSON holds a number that is too long.") from None
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [part for holder in level for part in _parts(holder) if isinstance(part, dict | list)]
        if not level:
            return
    raise Malformed(f"The JSON is nested deeper than {MAX_DEPTH} levels.")


def _parts(holder: Any) -> Any:
    return holder.values() if isinstance(holder, dict) else holder if isinstance(holder, list) else ()


def _holds_nul(value: Any) -> bool:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            if "\0" in part:
                return True
        elif isinstance(part, dict):
            waiting.extend(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return False


def _check_names(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len({name for name, _ in pairs}) < len(pairs):
        raise Malformed("The JSON names a field twice in one object.")


class GuardBody:
    """ASGI middleware: refuses bad addresses and bodies with the errors of this module.

    JSON is read whole and checked before the application sees it; other media types stream through, counted.
    `larger` names the addresses that take more than max_body_bytes of what is streamed, and how much.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, larger: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._max = max_body_bytes
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _check_address(scope)
        headers = dict(scope["headers"])
        if sum(name == b"content-type" for name, _ in scope["headers"]) > 1:
            # Whoever reads the body behind us may go by the other one.
            raise Malformed("Send one Content-Type.")
        declared = headers.get(b"content-length", b"0")
        streams = headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json"
        most = self._larger.get(scope["path"], self._max) if streams else self._max
        if not declared.isdigit() or int(declared) > most:
            raise _too_large(most)
        if declared == b"0" and b"transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        media = _media_type(headers)
        if media == "application/json":
            receive = await _checked(receive, most)
        else:
            receive = _counted(receive, most)
        await self._app(scope, receive, send)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The body is over {most} bytes: send it in smaller parts.")


def _counted(receive: Receive, most: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise _too_large(most)
        return message

    return counted


async def _checked(receive: Receive, most: int) -> Receive:
    limited = _counted(receive, most)
    chunks: list[bytes] = []
    while True:
        message = await limited()
        if message["type"] == "http.disconnect":
            return receive
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    body = b"".join(chunks)
    if body:
        read_json(body)
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _check_address(scope: Scope) -> None:
    query: bytes = scope["query_string"]
    if len(query) > MAX_QUERY_BYTES:
        raise Malformed(f"The query is over {MAX_QUERY_BYTES} bytes.")
    for part in (scope.get("raw_path") or b"", query):
        if b"%" not in part:
            continue
        plain = unquote_to_bytes(part)
        if b"\0" in plain:
            raise Malformed("The address holds a NUL character.")
        try:
            plain.decode()
        except UnicodeDecodeError:
            raise Malformed("The address is not valid UTF-8.") from None


def _media_type(headers: dict[bytes, bytes]) -> str:
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMedia("Compressed bodies are not read; send the body as it is.")
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    if media not in MEDIA_TYPES:
        raise UnsupportedMedia(f"Send a Content-Type of {', '.join(MEDIA_TYPES)}.")
    return media
