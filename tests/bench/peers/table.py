"""The event stores that are measured beside our log."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.peers.axon import Axon
from tests.bench.peers.emmett import Emmett
from tests.bench.peers.ours import Ours
from tests.bench.peers.peer import Peer
from tests.bench.peers.raw import Raw
from tests.bench.peers.stock import Functions, Stock
from tests.bench.peers.umadb import Uma

PEERS: tuple[Callable[[], Peer], ...] = (Raw, Ours, Stock, Functions, Uma, Emmett, Axon)
