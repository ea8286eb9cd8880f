"""Makes `.venv` ready: a virtual environment, the hashed requirements, the project itself, Kafka's libraries.

Run by `make` with the machine's own Python, so it uses the standard library only. Every step is skipped that was done
with the same requirement files before. What is missing on the machine is said in one sentence, exit code 1.
"""

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
STAMP = VENV / "installed.sha256"
PYTHON = VENV / "bin" / "python"
LOCKED = [PROJECT / "requirements" / name for name in ("development.txt", "data.txt")]
NEEDED_BYTES = 2_500_000_000
OLDEST = (3, 11)


def main() -> None:
    check_machine()
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
    run("The virtual environment could not be made", sys.executable, "-m", "venv", str(VENV))


def install() -> None:
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheels = [*pip, "install", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    say("Installing the requirements (a few minutes the first time)")
    failed = "The requirements could not be installed: check the network and the space on the disk, then make again"
    for file in LOCKED:
        run(failed, *wheels, "--requirement", str(file))
    run(failed, *pip, "install", "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(PROJECT))
    say("Fetching the libraries of Apache Kafka")
    run("", str(PYTHON), "-m", "deploy.embedded.jars")


def run(failure: str, *command: str) -> None:
    # A PYTHONPATH or PYTHONHOME of the user's would reach into the environment.
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    if subprocess.run(command, cwd=PROJECT, env=env, check=False).returncode != 0:
        stop(f"{failure} (its own words are above)." if failure else "")


def say(sentence: str) -> None:
    print(f"{sentence} ...", flush=True)


def stop(sentence: str) -> None:
    sys.exit(sentence or 1)


if __name__ == "__main__":
    main()
