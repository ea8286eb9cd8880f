"""What the machine lacks is said in one sentence before anything is installed."""

import ast
import builtins
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from deploy import install
from deploy.embedded import jars


def sentence(capture: pytest.ExceptionInfo[SystemExit]) -> str:
    said = str(capture.value.code)
    assert "\n" not in said
    return said


def test_another_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")

    with pytest.raises(SystemExit) as stopped:
        install.check_machine()

    assert "riscv64" in sentence(stopped)


def test_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 10))

    with pytest.raises(SystemExit) as stopped:
        install.check_machine()

    assert "3.11 or newer" in sentence(stopped)


def test_too_little_space_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "NEEDED_BYTES", 2**62)

    with pytest.raises(SystemExit) as stopped:
        install.check_space()

    assert "GB are free" in sentence(stopped)


def test_a_python_without_ensurepip_is_told_which_package_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = builtins.__import__

    def without_ensurepip(
        name: str,
        into: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        names: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        if name == "ensurepip":
            raise ImportError
        return real(name, into, local, names, level)

    monkeypatch.setattr(builtins, "__import__", without_ensurepip)
    monkeypatch.setattr(install, "PYTHON", tmp_path / "absent")

    with pytest.raises(SystemExit) as stopped:
        install.make_environment()

    assert f"python{sys.version_info.major}.{sys.version_info.minor}-venv" in sentence(stopped)


def test_the_reason_of_a_failed_step_is_found_in_what_pip_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "LOG", tmp_path / "install.log")
    words = "WARNING: Retrying: NewConnectionError\nERROR: No matching distribution found for x"

    with pytest.raises(SystemExit) as stopped:
        install.run("It failed", sys.executable, "-c", f"import sys; print({words!r}); sys.exit(1)")

    assert "check the network" in sentence(stopped)
    assert "No matching" in install.LOG.read_text()


def test_the_installer_needs_nothing_installed() -> None:
    tree = ast.parse(Path(install.__file__).read_text())
    imported = {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    } | {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert imported <= sys.stdlib_module_names


def test_requirements_are_hashed_and_name_no_index_and_no_place() -> None:
    for path in install.PROJECT.joinpath("requirements").glob("*.txt"):
        lines = path.read_text().splitlines()
        pins = [line for line in lines if line and not line.startswith((" ", "#"))]

        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
        assert not [line for line in lines if "://" in line or "--index" in line or "--find-links" in line]


def test_every_jar_of_kafka_is_pinned_and_of_one_version() -> None:
    listed = jars.listed()

    assert all(len(jar.digest) == 64 for jar in listed)
    assert {jar.version for jar in listed if jar.group == "org.apache.kafka"} == {"4.1.0"}


def test_a_damaged_jar_counts_as_missing(tmp_path: Path) -> None:
    jar = jars.listed()[0]
    (tmp_path / jar.filename).write_bytes(b"damaged")

    assert not jar.is_in(tmp_path)
