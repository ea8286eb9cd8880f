"""Access tokens: JWTs of type at+jwt (RFC 9068), signed with Ed25519, verified against our own key set only."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast, get_args

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.access.policy import ROLES
from shared.atomic_file import create_once, replace
from shared.errors import Unauthenticated
from shared.ids import uuid7

ALGORITHM = "Ed25519"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type
MAX_TOKEN_BYTES = 8 * 1024
LEEWAY_SECONDS = 30
_CACHE_SECONDS = 30
_CACHE_ENTRIES = 4096
_HEADER_NAMES = {"alg", "typ", "kid"}
_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:|-]{0,127}")

CallerKind = Literal["user", "service", "import"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the token proves it."""

    id: str
    kind: CallerKind
    roles: frozenset[str]


class Verifier:
    """Turns tokens into callers. Remembers a good token for at most 30 seconds and never past its expiry."""

    def __init__(
        self, jwks: Mapping[str, Any], issuer: str, audience: str, *, now: Callable[[], float] = time.time
    ) -> None:
        """`jwks` is a JWK set; keys other than Ed25519 with a kid are left out. ValueError if none is left."""
        self._keys = {
            jwk["kid"]: OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "kid")})
            for jwk in jwks.get("keys", ())
            if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519" and jwk.get("kid") and "x" in jwk
        }
        if not self._keys:
            raise ValueError(
                "The key set holds no Ed25519 key with a kid: make one with an issuer, or correct CUSTLOG_JWKS_FILE."
            )
        self._now = now
        self._registry = jws.JWSRegistry(algorithms=[ALGORITHM])
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        self._known: dict[bytes, tuple[Caller, float, float]] = {}

    @classmethod
    def from_file(cls, jwks_file: Path, issuer: str, audience: str) -> "Verifier":
        """A verifier for the key set in a file."""
        return cls(json.loads(jwks_file.read_bytes()), issuer, audience)

    def verify(self, token: str) -> Caller:
        """The caller that the token proves. Unauthenticated if it is forged, expired, foreign or not a token at all."""
        if len(token) > MAX_TOKEN_BYTES:
            raise Unauthenticated("The token is too large.", reason="too-large")
        if not token.isascii():
            raise Unauthenticated("This is not a token.", reason="not-a-token")
        digest = hashlib.sha256(token.encode()).digest()
        now = self._now()
        known = self._known.get(digest)
        if known and known[1] <= now < known[2]:
            return known[0]
        self._known.pop(digest, None)
        caller, expires = self._check(token)
        self._remember(digest, caller, now, min(expires, now + _CACHE_SECONDS))
        return caller

    def _check(self, token: str) -> tuple[Caller, float]:
        key = self._key_for(_header(token))
        try:
            claims = jwt.decode(token, key, registry=self._registry).claims
            self._claims.validate(claims)
            expires = float(claims["exp"])
        except (JoseError, ValueError, TypeError, RecursionError, OverflowError) as refused:
            # The reason class is safe to tell; the library's text may quote the token.
            kind = type(refused).__name__
            raise Unauthenticated(f"The token was refused ({kind}): fetch a new one.", reason=kind) from None
        return _caller(claims), expires

    def _key_for(self, header: dict[str, Any]) -> OKPKey:
        # The header is not yet trusted: it may choose among our keys, never bring one (jwk, jku, x5u) or extend the
        # rules (crit).
        if set(header) != _HEADER_NAMES or header["alg"] != ALGORITHM or header["typ"] != TOKEN_TYPE:
            raise Unauthenticated(
                f"The token's header must be exactly alg {ALGORITHM}, typ {TOKEN_TYPE} and a kid.", reason="header"
            )
        key = self._keys.get(header["kid"]) if isinstance(header["kid"], str) else None
        if key is None:
            raise Unauthenticated("The token is signed with an unknown key.", reason="unknown-key")
        return key

    def _remember(self, digest: bytes, caller: Caller, since: float, until: float) -> None:
        if until <= since:
            return
        while len(self._known) >= _CACHE_ENTRIES:
            self._known.pop(next(iter(self._known)), None)
        self._known[digest] = (caller, since, until)


def make_issuer(folder: Path) -> Path:
    """Makes a local token issuer: `issuer.json` (private key, mode 0600) and `jwks.json` (public). Keeps an old key.

    Returns the path of jwks.json, for CUSTLOG_JWKS_FILE. Safe to call from several processes at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    private = folder / "issuer.json"
    if not private.exists():
        key = OKPKey.generate_key("Ed25519", {"kid": uuid7(), "use": "sig", "alg": ALGORITHM})
        create_once(private, json.dumps(key.as_dict(private=True)).encode())
    public = _issuer_key(folder).as_dict(private=False)
    target = folder / "jwks.json"
    content = json.dumps({"keys": [public]}, indent=2) + "\n"
    if not target.exists() or target.read_text() != content:
        replace(target, content.encode(), 0o644)
    return target


def issue(
    folder: Path,
    user: str,
    roles: Iterable[str],
    ttl: timedelta = timedelta(hours=1),
    kind: CallerKind = "user",
    *,
    issuer: str = "custlog",
    audience: str = "custlog",
) -> str:
    """A token signed by the issuer in `folder`. ValueError if the user id or a role is not acceptable."""
    names = sorted(set(roles))
    if unknown := sorted(set(names) - set(ROLES)):
        raise ValueError(f"There is no role {', '.join(unknown)}; the roles are {', '.join(ROLES)}.")
    if not _SUBJECT.fullmatch(user):
        raise ValueError("A user id is 1 to 128 of A-Z a-z 0-9 . _ : | - and starts with a letter or digit.")
    key = _issuer_key(folder)
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": user,
        "kind": kind,
        "roles": names,
        "iat": now,
        "exp": now + int(ttl.total_seconds()),
        "jti": uuid7(),
    }
    header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key.kid}
    return jwt.encode(header, claims, key, registry=jws.JWSRegistry(algorithms=[ALGORITHM]))


def _issuer_key(folder: Path) -> OKPKey:
    return OKPKey.import_key(json.loads((folder / "issuer.json").read_bytes()))


def _header(token: str) -> dict[str, Any]:
    segment, *rest = token.split(".")
    try:
        header = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError):
        header = None
    if len(rest) != 2 or not isinstance(header, dict):
        raise Unauthenticated("This is not a token.", reason="not-a-token")
    return header


def _caller(claims: dict[str, Any]) -> Caller:
    roles, kind, subject = claims.get("roles", []), claims.get("kind", "user"), claims["sub"]
    if not isinstance(roles, list) or len(roles) > 32 or not all(isinstance(role, str) for role in roles):
        raise Unauthenticated("The token's roles must be a list of at most 32 names.", reason="claims")
    if kind not in get_args(CallerKind):
        raise Unauthenticated("The token's kind must be user, service or import.", reason="claims")
    if not _SUBJECT.fullmatch(subject):
        raise Unauthenticated("The token's subject must be 1 to 128 plain characters.", reason="claims")
    return Caller(subject, cast("CallerKind", kind), frozenset(roles))
