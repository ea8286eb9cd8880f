import os
from pathlib import Path

import pytest

from shared.settings import REQUIRED, Settings, SettingsError, load


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CUSTLOG_")]:
        monkeypatch.delenv(name)


def _set(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"CUSTLOG_{name.upper()}", value)


def _complete(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in ("kek", "jwks"):
        (folder / name).write_text("{}")
    _set(
        monkeypatch,
        postgres_url="postgresql://app:hunter2@localhost:5432/customer",
        keyring_url="postgresql://app:hunter2@localhost:5432/keyring",
        mongo_url="mongodb://app:hunter2@localhost:27017/?replicaSet=rs0",
        kafka="localhost:9092,localhost:9093",
        kek_file=str(folder / "kek"),
        jwks_file=str(folder / "jwks"),
        spool=str(folder),
    )


@pytest.mark.parametrize("service", REQUIRED)
def test_a_complete_environment_starts_each_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: str
) -> None:
    _complete(monkeypatch, tmp_path)

    assert load(service).service == service


def test_secrets_stay_out_of_the_printed_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _complete(monkeypatch, tmp_path)

    assert "hunter2" not in repr(load("customer"))
    assert "hunter2" not in str(load("customer"))


@pytest.mark.parametrize("service", REQUIRED)
def test_every_missing_setting_is_named_with_its_remedy(service: str) -> None:
    with pytest.raises(SettingsError) as failure:
        load(service)

    lines = str(failure.value).splitlines()
    assert len(lines) == len(REQUIRED[service])
    assert all("CUSTLOG_" in line and "set it to" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("postgres_url", "mysql://u:hunter2@h/d", "libpq URL"),
        ("mongo_url", "mongodb://u:hunter2@h/", "replica set"),
        ("kafka", "hunter2", "host:port"),
        ("timezone", "Mars/hunter2", "time zone database"),
        ("port", "hunter2", "integer"),
        ("kek_file", "/nowhere/kek", "no file /nowhere/kek"),
        ("clock", "hunter2", "'system' or 'test'"),
        ("max_body_bytes", "1", "1024"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    _set(monkeypatch, **{name: value})

    with pytest.raises(SettingsError) as failure:
        load("customer")

    assert f"CUSTLOG_{name.upper()}" in str(failure.value)
    assert sentence in str(failure.value)
    assert "hunter2" not in str(failure.value)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings(service="customer").port = 1  # type: ignore[misc]


def test_witnesses_are_addresses_separated_by_commas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _complete(monkeypatch, tmp_path)
    _set(monkeypatch, witnesses="http://one.example:8480/, https://two.example", audit_keys=str(tmp_path))

    settings = load("customer")

    assert settings.witnesses == ("http://one.example:8480", "https://two.example")
    assert settings.audit_keys == tmp_path


@pytest.mark.parametrize(("name", "value"), [("witnesses", "one.example"), ("audit_keys", "/nowhere/at/all")])
def test_wrong_settings_of_the_audit_trail_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    _complete(monkeypatch, tmp_path)
    _set(monkeypatch, **{name: value})

    with pytest.raises(SettingsError, match=f"CUSTLOG_{name.upper()} is wrong"):
        load("customer")
