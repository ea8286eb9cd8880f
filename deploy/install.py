"""Makes `.venv` ready: a virtual environment, the hashed requirements, the project itself, Kafka's libraries.

Run by `make` with the machine's own Python, so it uses the standard library only. Every step is skipped that was done
with the same requirement files before. What is missing on the machine is said in one sentence, exit code 1.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
LOG = VENV / "install.log"
STAMP = VENV / "installed.sha256"
PYTHON = VENV / "bin" / "python"
LOCKED = [PROJECT / "requirements" / name for name in ("development.txt", "data.txt")]
NEEDED_BYTES = 2_500_000_000
OLDEST = (3, 11)
REASONS = {
    "No space left on device": "the disk is full, free some space and run make again",
    "NewConnectionError": "the package index cannot be reached, check the network and run make again",
    "ConnectTimeoutError": "the package index cannot be reached, check the network and run make again",
    "ReadTimeoutError": "the package index is too slow, run make again",
    "SSLError": "the package index shows a certificate that this machine does not trust",
    "DO NOT MATCH THE HASHES": "a package is not the one that was locked, do not use that package index",
    "No matching distribution found": "the package index has no wheel of a package for this machine",
}
"""Words of pip, the most telling first."""


def main() -> None:
    check_machine()
    if not os.access(PROJECT, os.W_OK):
        stop(f"The folder {PROJECT} cannot be written to by this user: clone it into a folder of your own.")
    with (PROJECT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if STAMP.exists() and STAMP.read_text() == wanted():
            return
        check_space()
        make_environment()
        install()
        STAMP.write_text(wanted())


def wanted() -> str:
    """Digest of all that decides what is installed."""
    files = [*LOCKED, PROJECT / "pyproject.toml", PROJECT / "deploy" / "embedded" / "kafka.jars", Path(__file__)]
    content = b"".join(path.read_bytes() for path in files)
    return hashlib.sha256(content + str(PROJECT).encode() + sys.version.encode()).hexdigest()


def check_machine() -> None:
    if sys.version_info < OLDEST:
        stop(f"custlog needs Python 3.11 or newer, this is {platform.python_version()}: install one, make PYTHON=...")
    if sys.platform != "linux" or platform.machine() != "x86_64":
        stop(
            "The embedded servers exist for 64-bit x86 Linux only,"
            f" this is {platform.system()} on {platform.machine()}: use such a machine."
        )


def check_space() -> None:
    free = shutil.disk_usage(PROJECT).free
    if free < NEEDED_BYTES:
        stop(f"Only {free / 1e9:.1f} GB are free on the disk of {PROJECT}, 2.5 GB are needed: free some space.")


def make_environment() -> None:
    if PYTHON.exists():
        works = subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False)
        if works.returncode == 0:
            return
    try:
        import ensurepip  # noqa: F401, PLC0415
    except ImportError:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stop(
            f"This Python cannot make virtual environments: install the package python{version}-venv, then make again."
        )
    say("Making .venv")
    # In place, not cleared: another program may be running from it.
    VENV.mkdir(exist_ok=True)
    run("The virtual environment could not be made", sys.executable, "-m", "venv", str(VENV))


def install() -> None:
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    wheels = [*pip, "install", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    say("Installing the requirements (a minute or two the first time)")
    for file in LOCKED:
        run("The requirements could not be installed", *wheels, "--requirement", str(file))
    own = [*pip, "install", "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(PROJECT)]
    run("The command custlog could not be installed", *own)
    say("Fetching the libraries of Apache Kafka")
    run("", str(PYTHON), "-m", "deploy.embedded.jars")


def run(failure: str, *command: str) -> None:
    """Run a step; if it fails, stop with `failure` and the reason, or with its own last line if `failure` is empty."""
    # A PYTHONPATH or PYTHONHOME of the user's would reach into the environment.
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        command, cwd=PROJECT, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode == 0:
        return
    if failure:
        with contextlib.suppress(OSError):  # the disk may be full
            LOG.write_text(done.stdout)
        stop(f"{failure}: {reason(done.stdout)} (all that was said is in {LOG}).")
    stop(done.stdout.strip().rpartition("\n")[2])


def reason(said: str) -> str:
    """Why a step of pip failed, and what to do."""
    for words, meaning in REASONS.items():
        if words in said:
            return meaning
    return "run make again, or read what pip said"


def say(sentence: str) -> None:
    print(f"{sentence} ...", flush=True)


def stop(sentence: str) -> None:
    sys.exit(sentence or 1)


if __name__ == "__main__":
    main()
