"""Free TCP ports on the loopback interface."""

import http.client
import random
import socket
from contextlib import closing
from pathlib import Path

from deploy.embedded.errors import EmbeddedError

LOOPBACK = "127.0.0.1"
_LOWEST = 15000
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface at this moment."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose(preferred: int | None = None, *, avoid: frozenset[int] = frozenset()) -> int:
    """`preferred` if it is free, else a free port below the range that the kernel gives to outgoing connections.

    A port of that range could be taken by any client while its server is down, and the server could not come back.
    """
    if preferred is not None and preferred not in avoid and is_free(preferred):
        return preferred
    for _ in range(_TRIES):
        port = random.randrange(_LOWEST, _first_outgoing())  # noqa: S311 - a port, not a secret
        if port not in avoid and is_free(port):
            return port
    raise EmbeddedError("No free TCP port was found on 127.0.0.1; stop some servers and try again.")


def accepts(port: int) -> bool:
    """Whether something listens on `port` of the loopback interface."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as client:
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) == 0


def lives(port: int) -> bool:
    """Whether the process on `port` of the loopback interface says by HTTP that it is alive."""
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=2)) as connection:
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _first_outgoing() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = 32768
    return first if first > _LOWEST + 1000 else 65536
