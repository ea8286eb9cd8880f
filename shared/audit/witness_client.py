"""Asking witnesses for their cosignatures (c2sp.org/tlog-witness)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx

from shared.audit.checkpoint import Checkpoint
from shared.audit.note import BadNote, Note, Signature, VerifierKey
from shared.audit.witness import AddCheckpoint

Prove = Callable[[int], Awaitable[Sequence[bytes]]]
"""The proof that the checkpoint continues the log's tree of a size that is not larger."""
Kind = Literal["split", "ahead", "unproven", "unknown", "rejected"]

TIMEOUT_SECONDS = 5.0
_TRIES = 3
_MOST_BYTES: Final = 64 * 1024
_SIZE = re.compile("(0|[1-9][0-9]{0,18})\n")
_REASONS: Final[dict[int, tuple[Kind, str]]] = {
    400: ("rejected", "it takes the request for malformed"),
    403: ("unknown", "no key that it knows of this log has signed the checkpoint: give it the log's .pub file"),
    404: ("unknown", "it does not know this log: give it the log's .pub file"),
    413: ("rejected", "it takes the request for too large"),
    422: ("unproven", "it holds a history that this checkpoint does not continue"),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A witness looked at a checkpoint and did not cosign it. Fate: an alarm; asking again changes nothing.

    split: it cosigned another checkpoint of this size. unproven: it holds a history that this one does not continue.
    ahead: it cosigned a checkpoint of `size`, which is larger; if the log did not reach that size meanwhile, by another
    process, it has lost records. unknown: it was not told the log or its key. rejected: it could not read the request.
    """

    witness: str
    kind: Kind
    sentence: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A note with the cosignatures that came. `silent` names the witnesses that gave no answer, and why: try again."""

    note: bytes
    refusals: tuple[Refusal, ...] = ()
    silent: tuple[str, ...] = ()


class _Silent(Exception):
    """No answer, or none that can be used. Fate: retry with the next checkpoint."""


class _Refuses(Exception):
    """Fate: becomes a Refusal."""

    def __init__(self, kind: Kind, sentence: str, size: int | None = None) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.size = size


class Witnesses:
    """The witnesses of a system. Keeps connections open; `close` at the end."""

    def __init__(self, urls: Iterable[str], keys: Iterable[VerifierKey], *, seconds: float = TIMEOUT_SECONDS) -> None:
        """`keys` are those whose cosignatures are kept; `seconds` is what one question to one witness may take."""
        self._http = httpx.AsyncClient(timeout=seconds, trust_env=False)
        keys = tuple(keys)
        self._each = [_Witness(url.rstrip("/"), keys, self._http, seconds) for url in urls]

    def __len__(self) -> int:
        return len(self._each)

    async def submit(self, note: bytes, prove: Prove) -> Cosigned:
        """Shows the signed note of a checkpoint to all witnesses at once. What `prove` raises is raised."""
        parsed = Note.parse(note)
        checkpoint = Checkpoint.parse(parsed.text)
        answers = await asyncio.gather(*(each.ask(note, checkpoint, prove) for each in self._each))
        signatures = tuple(signature for answer in answers if isinstance(answer, tuple) for signature in answer)
        return Cosigned(
            parsed.signed(*signatures).encode() if signatures else note,
            tuple(answer for answer in answers if isinstance(answer, Refusal)),
            tuple(answer for answer in answers if isinstance(answer, str)),
        )

    async def close(self) -> None:
        await self._http.aclose()


class _Witness:
    """One witness, and the size that it was last seen to hold of each log."""

    def __init__(self, url: str, keys: Sequence[VerifierKey], http: httpx.AsyncClient, seconds: float) -> None:
        self._url = url
        # Without what may be a password in the address.
        self._title = urlsplit(url).netloc.rpartition("@")[2]
        self._keys = {(key.name, key.key_id): key for key in keys}
        self._http = http
        self._seconds = seconds
        self._sizes: dict[str, int] = {}

    async def ask(self, note: bytes, checkpoint: Checkpoint, prove: Prove) -> tuple[Signature, ...] | Refusal | str:
        """Its cosignatures, its refusal, or a sentence on why there is no answer."""
        try:
            return await self._cosigned(note, checkpoint, prove)
        except _Refuses as refused:
            sentence = f"the witness {self._title} does not cosign {checkpoint.origin} at {checkpoint.size}: {refused}"
            return Refusal(self._title, refused.kind, sentence, refused.size)
        except _Silent as silent:
            return f"the witness {self._title} gave no cosignature: {silent}"

    async def _cosigned(self, note: bytes, checkpoint: Checkpoint, prove: Prove) -> tuple[Signature, ...]:
        origin, size = checkpoint.origin, checkpoint.size
        old = self._sizes.get(origin, 0)
        if old > size:
            old = 0
        for _ in range(_TRIES):
            status, content = await self._post(AddCheckpoint(old, tuple(await prove(old)), note))
            if status == httpx.codes.OK:
                self._sizes[origin] = size
                return self._signatures(checkpoint.text, content)
            if status != httpx.codes.CONFLICT:
                raise _refusal(status)
            held = _size(content)
            self._sizes[origin] = held
            if held > size:
                raise _Refuses("ahead", f"it has cosigned a checkpoint of size {held} before", held)
            if held == old == size:
                raise _Refuses("split", "it has cosigned another checkpoint of this size: two histories were signed")
            old = held
        raise _Silent("other processes show it checkpoints of this log at the same time")

    async def _post(self, request: AddCheckpoint) -> tuple[int, bytes]:
        content = b""
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._http.stream("POST", f"{self._url}/add-checkpoint", content=request.encode()) as answer,
            ):
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > _MOST_BYTES:
                        raise _Silent("its answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _Silent(type(error).__name__) from None
        return answer.status_code, content

    def _signatures(self, text: str, content: bytes) -> tuple[Signature, ...]:
        try:
            answered = Note.parse(f"{text}\n".encode() + content)
        except BadNote as bad:
            raise _Silent(f"its answer is not a signature: {bad}") from None
        if answered.text != text:
            raise _Silent("its answer is not a signature")
        known = {each[:2]: each for each in answered.signatures if each[:2] in self._keys}
        try:
            for name, signature in known.items():
                self._keys[name].verify(text, signature.value)
        except BadNote as bad:
            raise _Silent(str(bad)) from None
        if not known:
            raise _Silent("its key is not in witnesses.pub; add the line of its witness.pub")
        return tuple(known.values())


def _refusal(status: int) -> Exception:
    if status in _REASONS:
        return _Refuses(*_REASONS[status])
    return _Silent(f"it answered {status}")


def _size(content: bytes) -> int:
    told = _SIZE.fullmatch(content.decode(errors="replace"))
    if not told:
        raise _Silent("it answered 409 without the size that it holds")
    return int(told[1])
