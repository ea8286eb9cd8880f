"""The expected failures of every service.

Each class names its fate in the docstring; shared.problem turns it into one problem+json answer. Messages are read by
people and kept in logs: they carry ids, never personal data.
"""

from collections.abc import Iterable
from typing import ClassVar, TypedDict


class FieldError(TypedDict):
    """What is wrong with one field: `field` is its dotted path, `message` never repeats the value."""

    field: str
    message: str


class CustlogError(Exception):
    """Base of all expected failures. Fate: as the subclass says; raised itself, it is a defect and answers 500."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str = "", *, errors: Iterable[FieldError] = (), retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors: list[FieldError] = list(errors)
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """Response headers this failure needs."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class Malformed(CustlogError):
    """The request cannot be read at all. Fate: rejected; the same bytes will fail again. On a topic: parked."""

    status = 400
    code = "malformed"
    title = "Malformed request"


class Unauthenticated(CustlogError):
    """There is no valid token. Fate: rejected; fetch a new token and send the request again."""

    status = 401
    code = "unauthenticated"
    title = "Not authenticated"

    def __init__(self, detail: str = "", *, reason: str = "no-token") -> None:
        """`reason` is the class of refusal, a plain word for the access log."""
        super().__init__(detail)
        self.reason = reason

    def headers(self) -> dict[str, str]:
        """Adds the challenge that RFC 6750 asks for."""
        return {**super().headers(), "WWW-Authenticate": 'Bearer realm="custlog"'}


class Forbidden(CustlogError):
    """The caller is known but may not do this. Fate: rejected; ask for the role that allows it."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class NotFound(CustlogError):
    """The addressed thing does not exist, or the caller may not know of it. Fate: rejected."""

    status = 404
    code = "not-found"
    title = "Not found"


class Conflict(CustlogError):
    """The command contradicts the present state. Fate: rejected; read the state again and decide anew."""

    status = 409
    code = "conflict"
    title = "Conflict with the present state"


class CommandReused(Conflict):
    """A command id came again with another body. Fate: rejected; use a new id."""

    code = "command-reused"
    title = "Command id already used"


class AlreadyReserved(Conflict):
    """A unique name, such as (source, external id), is another stream's. Fate: rejected; use the holder's record."""

    code = "already-reserved"
    title = "Already taken"


class VersionConflict(Conflict):
    """The stream is not at the expected version. Fate: rejected; reload, decide again, retry on `current`."""

    status = 412
    code = "version-conflict"
    title = "Changed by somebody else"

    def __init__(self, detail: str = "", *, current: int | None = None) -> None:
        super().__init__(detail)
        self.current = current

    def headers(self) -> dict[str, str]:
        """Adds the current version as ETag, if known."""
        return super().headers() if self.current is None else {**super().headers(), "ETag": f'"{self.current}"'}


class VersionRequired(CustlogError):
    """A change came without If-Match. Fate: rejected; read the record and send its ETag as If-Match."""

    status = 428
    code = "version-required"
    title = "Expected version missing"


class TooLarge(CustlogError):
    """The request or a commit is over a size limit. Fate: rejected; send smaller parts."""

    status = 413
    code = "too-large"
    title = "Too large"


class UnsupportedMedia(CustlogError):
    """The body has a media type this address does not read. Fate: rejected; send one that the detail names."""

    status = 415
    code = "unsupported-media-type"
    title = "Unsupported media type"


class Invalid(CustlogError):
    """The request is readable but breaks a rule; `errors` names each field. Fate: rejected; correct the fields."""

    status = 422
    code = "invalid"
    title = "Invalid input"


class Unavailable(CustlogError):
    """A server we depend on does not answer. Fate: retry after `retry_after` seconds; nothing was half-done."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        super().__init__(detail, retry_after=retry_after)


class Stopping(Unavailable):
    """This process stops and cannot see the request through. Fate: send it again under the same idempotency key."""

    code = "stopping"
    title = "The service stops"


class Busy(Unavailable):
    """More requests at once than this process takes. Fate: retry after `retry_after` seconds; nothing was looked at."""

    code = "busy"
    title = "Too many requests at once"
