"""How connections that are kept for long are made: a server that is lost is noticed within some ten seconds."""

from collections.abc import Mapping
from typing import Any

LASTING: Mapping[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Parameters of libpq, in seconds, but for the last one, in milliseconds."""
