"""The library that our log stands on, as it comes: an Application on PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.peers.program import Program
from tests.bench.stand import Stand


class Stock(Program):
    name = "eventsourcing"
    what = "Application.save of one aggregate a commit, recorder as shipped: it locks the table for each commit"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "tests.bench.peers.programs.stock"]


class Functions(Stock):
    name = "eventsourcing, DB functions"
    what = "the same with POSTGRES_ENABLE_DB_FUNCTIONS: no lock, so a live reader loses events"

    def options(self, stand: Stand) -> Mapping[str, Any]:
        return {**super().options(stand), "functions": True}
