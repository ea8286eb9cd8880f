"""The command line without a running system."""

import json
from pathlib import Path

import pytest

from deploy import cli
from deploy.embedded.home import Home
from shared.access.tokens import Verifier, issue
from shared.errors import Unauthenticated


def run(monkeypatch: pytest.MonkeyPatch, home: Path, *words: str) -> int:
    monkeypatch.setenv("CUSTLOG_HOME", str(home))
    monkeypatch.setattr("sys.argv", ["custlog", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_status_of_a_stopped_system_is_one_json_object_and_not_a_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = run(monkeypatch, tmp_path / "home", "status", "--json")

    assert code == 1
    assert json.loads(capsys.readouterr().out)["status"] == "stopped"


def test_a_printed_token_is_accepted_by_the_services_verifier(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = Home.at(tmp_path / "home")
    home.prepare()

    code = run(monkeypatch, home.data, "token", "--user", "u1", "--role", "sales", "--role", "viewer")

    caller = Verifier.from_file(home.jwks_file, "custlog", "custlog").verify(capsys.readouterr().out.strip())
    assert code == 0
    assert caller.id == "u1"
    assert caller.roles == {"sales", "viewer"}


def test_after_the_issuers_key_was_moved_away_old_tokens_are_refused(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.prepare()
    token = issue(home.keys, "u1", ["sales"])
    (home.keys / "issuer.json").rename(tmp_path / "issuer.json")

    home.prepare()

    verifier = Verifier.from_file(home.jwks_file, "custlog", "custlog")
    with pytest.raises(Unauthenticated):
        verifier.verify(token)
    assert verifier.verify(issue(home.keys, "u1", ["sales"])).id == "u1"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["down"], "No system is running"),
        (["token", "--user", "u1", "--role", "sales"], "no token issuer"),
        (["logs", "nothing"], "no log of nothing"),
        (["audit", "query"], "No system is running"),
        (["audit", "query", "--token", "x"], "run custlog up first"),
        (["audit", "query", "--kind", "nothing"], "no kind of event 'nothing'"),
        (["audit", "query", "--log", "nothing"], "no log nothing"),
        (["audit", "query", "--command", "7"], "--command '7' is no id"),
        (["audit", "query", "--from", "yesterday"], "--from 'yesterday' is no instant"),
        (["audit", "exposed", "--actor", "u1", "--from", "2026-01-01", "--to", "soon"], "--to 'soon' is no instant"),
        (["audit", "diff", "x", "--from", "2026-01-02", "--to", "2026-01-01"], "later than --from"),
        (["audit", "why", "x", "name", "--purpose", "a case"], "is no code"),
        (["audit", "watermark"], "either the watermark or --file"),
        (["replay"], "Give --customer NUMBER"),
        (["replay", "--customer", "K-1", "--check"], "Give --customer NUMBER"),
        (["replay", "--view", "customer"], "Say with --as-of"),
        (["replay", "--view", "customer", "--as-of", "today", "--seen"], "--seen goes with --customer"),
        (["replay", "--customer", "K-1", "--keep"], "--keep and --output go with --view"),
        (["replay", "--customer", "K-1", "--as-of", "yesterday"], "neither an instant with its zone"),
        (["replay", "--customer", "K-1", "--as-of", "customer:1"], "No system is running"),
        (["scratch"], "No system is running"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], sentence: str
) -> None:
    code = run(monkeypatch, tmp_path / "home", *words)

    captured = capsys.readouterr()
    assert code == 1
    assert captured.out == ""
    assert sentence in captured.err.splitlines()[-1]
