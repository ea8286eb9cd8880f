"""Who asks the trail, and what they are recorded as."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.trail.asker import asker
from shared.access.tokens import issue


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "home")
    home.prepare()
    return home


def test_without_a_token_it_is_the_account_of_the_machine_whatever_the_environment_says(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")

    who = asker(home, None)

    assert who.actor.id == pwd.getpwuid(os.getuid()).pw_name
    assert who.roles == {"operator"}


@pytest.mark.parametrize("role", ["auditor", "admin"])
def test_with_a_token_it_is_whom_the_token_proves(home: Home, role: str) -> None:
    who = asker(home, issue(home.keys, "auditor-1", [role, "viewer"]))

    assert (who.actor.id, who.roles) == ("auditor-1", frozenset({role, "viewer"}))
    access = who.access("AUDIT why", "case-7")
    assert (access.actor.id, access.operation, access.purpose) == ("auditor-1", "AUDIT why", "case-7")


@pytest.mark.parametrize("role", ["sales", "manager", "operator", "viewer"])
def test_a_token_whose_roles_do_not_allow_it_is_refused(home: Home, role: str) -> None:
    with pytest.raises(EmbeddedError, match=r"None of the roles of u1 allows audit\.read"):
        asker(home, issue(home.keys, "u1", [role]))


def test_a_token_of_another_issuer_is_refused(home: Home, tmp_path: Path) -> None:
    other = Home.at(tmp_path / "other")
    other.prepare()

    with pytest.raises(EmbeddedError, match="unknown key"):
        asker(home, issue(other.keys, "u1", ["auditor"]))


@pytest.mark.parametrize("purpose", ["", "a case", "x" * 65, "ä"])
def test_a_purpose_is_a_code(home: Home, purpose: str) -> None:
    with pytest.raises(EmbeddedError, match="is no code"):
        asker(home, None).access("AUDIT why", purpose)
