"""The ways between the services and the servers: where each can be reached, as a file that two programs read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from deploy.embedded import ports
from deploy.embedded.home import Home
from deploy.embedded.ports import LOOPBACK

PROXIED = "proxied"
"""The role of Kafka's port for clients that come through the proxy: Kafka tells them the proxy's address."""

SERVERS = {
    "postgres-customer": "postgres",
    "postgres-identity": "postgres",
    "postgres-notifications": "postgres",
    "postgres-projections": "postgres",
    "kafka": "kafka",
    "mongo": "mongo",
}
"""Link -> the server at its other end. A service's keyring is reached by the link of its PostgreSQL."""


@dataclass(frozen=True)
class Upstream:
    """A server's port, looked up in the file where the server keeps it, at every new connection."""

    file: str
    role: str = "port"

    def port(self) -> int:
        """Raises OSError or KeyError while the server has none."""
        found: int = orjson.loads(Path(self.file).read_bytes())["ports"][self.role]
        return found


@dataclass(frozen=True)
class Link:
    """The port on which the proxy listens, and where it leads."""

    listen: int
    upstream: Upstream


@dataclass(frozen=True)
class Links:
    """All links, and the port on which the proxy takes orders."""

    control: int
    links: Mapping[str, Link]

    def address(self, name: str) -> str:
        """Where a link begins, as host:port."""
        return f"{LOOPBACK}:{self.links[name].listen}"

    def write(self, file: Path) -> None:
        file.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))

    @classmethod
    def read(cls, file: Path) -> Links:
        content = orjson.loads(file.read_bytes())
        links = {name: Link(of["listen"], Upstream(**of["upstream"])) for name, of in content["links"].items()}
        return cls(content["control"], links)


def choose_links(home: Home) -> Links:
    """Free ports for every link of a system."""
    taken: set[int] = set()

    def free() -> int:
        taken.add(port := ports.choose(avoid=frozenset(taken)))
        return port

    links = {}
    for name, server in SERVERS.items():
        upstream = Upstream(str(home.data / server / "server.json"), PROXIED if server == "kafka" else "port")
        links[name] = Link(free(), upstream)
    return Links(free(), links)
