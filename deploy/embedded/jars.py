"""Kafka's jars: the exact ones of `kafka.jars`, kept per user so that a second copy of the project downloads nothing.

The package jgo fetches single files. Its own resolution of dependencies is not used: it picks an older kafka-clients
than Kafka's own description asks for, and it only warns about a wrong digest.
"""

import fcntl
import hashlib
import os
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.errors import EmbeddedError

_LIST = Path(__file__).with_name("kafka.jars")
_SYSTEM_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Jar:
    group: str
    artifact: str
    version: str
    digest: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    def is_in(self, folder: Path) -> bool:
        """Whether the folder holds this jar, whole and unchanged."""
        try:
            return hashlib.sha256((folder / self.filename).read_bytes()).hexdigest() == self.digest
        except OSError:
            return False


def listed(file: Path = _LIST) -> list[Jar]:
    lines = (line.split() for line in file.read_text().splitlines() if line and not line.startswith("#"))
    pairs = ((coordinates.split(":"), digest) for coordinates, digest in lines)
    return [Jar(group, artifact, version, digest) for (group, artifact, version), digest in pairs]


def fetch(tell: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Paths of Kafka's jars, as `fetch_listed` has them."""
    return fetch_listed(_LIST, cache_folder() / "kafka", "Apache Kafka", tell)


def fetch_listed(file: Path, folder: Path, title: str, tell: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Paths of all jars, downloading what is missing. EmbeddedError if that fails; nothing half-downloaded is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / ".lock"):
        missing = [jar for jar in listed(file) if not jar.is_in(folder)]
        if missing:
            tell(f"Downloading {len(missing)} libraries of {title} ...")
            _download(missing, folder, title)
    return [folder / jar.filename for jar in listed(file)]


def cache_folder() -> Path:
    """CUSTLOG_CACHE, else the user's cache folder, else (no home that can be written) a folder of this copy."""
    given = os.environ.get("CUSTLOG_CACHE")
    if given:
        return Path(given).resolve()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "custlog"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return _PROJECT / ".custlog-cache"
    return folder if os.access(folder, os.W_OK) else _PROJECT / ".custlog-cache"


def _download(missing: list[Jar], folder: Path, title: str) -> None:
    from jgo.maven import MavenContext  # noqa: PLC0415 - slow to import and seldom needed

    _trust_the_machine()
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as unchecked:
        context = MavenContext(repo_cache=Path(unchecked), timeout=60)

        def one(jar: Jar) -> None:
            artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
            got = Path(context.resolver.download(artifact))
            if hashlib.sha256(got.read_bytes()).hexdigest() != jar.digest:
                raise EmbeddedError(f"The downloaded {jar.filename} is not the one that was expected; try again later.")
            got.replace(folder / jar.filename)

        try:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(one, missing))
        except (OSError, RuntimeError) as failure:  # requests' errors are OSErrors
            raise EmbeddedError(
                f"The libraries of {title} could not be downloaded; check the network and the space left in"
                f" {folder}, then try again ({type(failure).__name__})."
            ) from failure


def _trust_the_machine() -> None:
    """Certificates that the machine trusts count, as they do for pip, not only the ones inside the package certifi."""
    known = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_SYSTEM_CERTIFICATES)
    found = next((path for path in known if path and Path(path).is_file()), None)
    if found:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", found)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        fetch(print)
    except EmbeddedError as error:
        sys.exit(str(error))
