"""One forged token per known attack; the reference is the list of CVEs of Python's JWT libraries."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from shared.access.tokens import Caller, Verifier, issue, make_issuer
from shared.errors import Unauthenticated
from shared.events.envelope import Actor

NOW = 1_800_000_000
CLAIMS = {"iss": "custlog", "aud": "custlog", "sub": "u1", "roles": ["admin"], "iat": NOW, "exp": NOW + 600}


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_issuer(tmp_path_factory.mktemp("issuer")).parent


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(folder: Path, clock: Clock) -> Verifier:
    return Verifier(json.loads((folder / "jwks.json").read_text()), "custlog", "custlog", now=clock)


@pytest.fixture
def key(folder: Path) -> OKPKey:
    return OKPKey.import_key(json.loads((folder / "issuer.json").read_text()))


def _b64(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _signed(key: OKPKey, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    """A token with a valid signature over any header and claims, made without the library's own checks."""
    full = {"alg": "Ed25519", "typ": "at+jwt", "kid": key.kid, **(header or {})}
    payload = {name: value for name, value in {**CLAIMS, **(claims or {})}.items() if value is not None}
    signed = f"{_b64(json.dumps(full).encode())}.{_b64(json.dumps(payload).encode())}"
    signature = jws.JWSRegistry.algorithms["Ed25519"].sign(signed.encode(), key)
    return f"{signed}.{_b64(signature)}"


def test_a_good_token_names_its_caller(verifier: Verifier, key: OKPKey) -> None:
    assert verifier.verify(_signed(key)) == Caller("u1", "user", frozenset({"admin"}))


def test_an_issued_token_is_accepted(folder: Path) -> None:
    verifier = Verifier.from_file(folder / "jwks.json", "custlog", "custlog")

    assert verifier.verify(issue(folder, "loader", ["import"], kind="import")) == Caller(
        "loader", "import", frozenset({"import"})
    )


def _alg_none(key: OKPKey, _: OKPKey) -> str:
    head, body, _signature = _signed(key, {"alg": "none"}).split(".")
    return f"{head}.{body}."


def _hmac_with_public_key(key: OKPKey, _: OKPKey) -> str:
    head, body, _signature = _signed(key, {"alg": "HS256"}).split(".")
    public = key.as_pem(private=False)
    return f"{head}.{body}.{_b64(hmac.digest(public, f'{head}.{body}'.encode(), hashlib.sha256))}"


def _embedded_key(key: OKPKey, thief: OKPKey) -> str:
    return _signed(thief, {"kid": key.kid, "jwk": thief.as_dict(private=False)})


def _changed_claims(key: OKPKey, _: OKPKey) -> str:
    head, _body, signature = _signed(key).split(".")
    return f"{head}.{_b64(json.dumps({**CLAIMS, 'sub': 'u2'}).encode())}.{signature}"


FORGERIES: dict[str, Callable[[OKPKey, OKPKey], str]] = {
    "algorithm none": _alg_none,
    "algorithm none in capitals": lambda key, _: _signed(key, {"alg": "NONE"}),
    "HMAC keyed with our public key": _hmac_with_public_key,
    "the deprecated algorithm name": lambda key, _: _signed(key, {"alg": "EdDSA"}),
    "an algorithm that is no text": lambda key, _: _signed(key, {"alg": ["Ed25519"]}),
    "a key brought along": _embedded_key,
    "a key set address": lambda key, thief: _signed(thief, {"kid": key.kid, "jku": "https://thief.example/jwks"}),
    "a certificate address": lambda key, thief: _signed(thief, {"kid": key.kid, "x5u": "https://thief.example/x"}),
    "a foreign key under our kid": lambda key, thief: _signed(thief, {"kid": key.kid}),
    "an unknown kid": lambda _, thief: _signed(thief),
    "a kid that is no text": lambda key, _: _signed(key, {"kid": {"$ne": ""}}),
    "a critical extension": lambda key, _: _signed(key, {"crit": ["b64"], "b64": False}),
    "an unknown critical extension": lambda key, _: _signed(key, {"crit": ["evil"], "evil": 1}),
    "an ID token": lambda key, _: _signed(key, {"typ": "JWT"}),
    "a foreign issuer": lambda key, _: _signed(key, None, {"iss": "thief"}),
    "a foreign audience": lambda key, _: _signed(key, None, {"aud": ["other"]}),
    "no audience": lambda key, _: _signed(key, None, {"aud": None}),
    "an expired one": lambda key, _: _signed(key, None, {"exp": NOW - 61}),
    "one without expiry": lambda key, _: _signed(key, None, {"exp": None}),
    "an expiry that is not a number": lambda key, _: _signed(key, None, {"exp": float("nan")}),
    "an expiry that no number type holds": lambda key, _: _signed(key, None, {"exp": 10**400}),
    "an infinite expiry": lambda key, _: _signed(key, None, {"exp": float("inf")}),
    "one from the future": lambda key, _: _signed(key, None, {"iat": NOW + 120}),
    "one not yet valid": lambda key, _: _signed(key, None, {"nbf": NOW + 120}),
    "one without subject": lambda key, _: _signed(key, None, {"sub": None}),
    "a subject with a line break": lambda key, _: _signed(key, None, {"sub": "u1\nadmin"}),
    "roles as one text": lambda key, _: _signed(key, None, {"roles": "admin"}),
    "an unknown kind": lambda key, _: _signed(key, None, {"kind": "rule"}),
    "changed claims": _changed_claims,
    "no signature": lambda key, _: _signed(key).rpartition(".")[0] + ".",
    "two parts": lambda key, _: _signed(key).rpartition(".")[0],
    "five parts": lambda key, _: _signed(key) + ".a.b",
    "a huge one": lambda key, _: _signed(key, None, {"pad": "x" * 9000}),
    "a deep header": lambda *_: f"{_b64(b'[' * 5000)}.a.b",
    "a header that is no object": lambda *_: f"{_b64(b'[]')}.a.b",
    "nothing": lambda *_: "",
    "not ASCII": lambda *_: "ü.ü.ü",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(verifier: Verifier, key: OKPKey, forgery: str) -> None:
    thief = OKPKey.generate_key("Ed25519", {"kid": "thief"})

    with pytest.raises(Unauthenticated):
        verifier.verify(FORGERIES[forgery](key, thief))


def test_a_known_token_ends_with_its_expiry(verifier: Verifier, key: OKPKey, clock: Clock) -> None:
    token = _signed(key, None, {"exp": NOW + 10})
    verifier.verify(token)
    clock.now += 71

    with pytest.raises(Unauthenticated):
        verifier.verify(token)


def test_the_memory_for_known_tokens_is_bounded(
    verifier: Verifier, key: OKPKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.access.tokens._CACHE_ENTRIES", 3)
    for number in range(5):
        verifier.verify(_signed(key, None, {"jti": str(number)}))

    assert len(verifier._known) == 3


def test_making_an_issuer_again_keeps_its_key_private_and_the_same(tmp_path: Path) -> None:
    make_issuer(tmp_path)
    before = (tmp_path / "issuer.json").read_bytes()
    jwks = make_issuer(tmp_path)

    assert (tmp_path / "issuer.json").read_bytes() == before
    assert (tmp_path / "issuer.json").stat().st_mode & 0o777 == 0o600
    assert all("d" not in jwk for jwk in json.loads(jwks.read_text())["keys"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["issuer.json", "jwks.json"]


@pytest.mark.parametrize(("user", "roles"), [("u1", ["root"]), ("u 1", ["sales"]), ("", ["sales"])])
def test_a_token_for_nobody_or_for_no_role_is_not_issued(folder: Path, user: str, roles: list[str]) -> None:
    with pytest.raises(ValueError, match=r"role|user id"):
        issue(folder, user, roles, timedelta(minutes=1))


def test_a_key_set_without_our_kind_of_key_is_refused() -> None:
    with pytest.raises(ValueError, match="CUSTLOG_JWKS_FILE"):
        Verifier({"keys": [{"kty": "oct", "k": "AA", "kid": "1"}]}, "custlog", "custlog")


def test_whoever_a_token_may_name_can_be_the_actor_of_an_event() -> None:
    longest = "a" * 128

    assert Actor(id=longest, kind="user").id == longest
