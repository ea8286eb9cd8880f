"""How peers are measured and told of, on peers made up here; the real ones run in the smoke test."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from deploy.embedded.jars import listed
from tests.bench.peers import install
from tests.bench.peers.contest import Contest
from tests.bench.peers.ours import sample
from tests.bench.peers.peer import Missing, Peer
from tests.bench.peers.table import PEERS

FOLDER = Path(__file__).parent / "peers"


@dataclass
class Made:
    """Answers with its figures in turn; None is a failure."""

    name: str
    figures: list[float | None]
    asked: list[str] = field(default_factory=list)

    async def read_all(self) -> float:
        figure = self.figures.pop(0)
        self.asked.append(self.name)
        if figure is None:
            raise Missing("it has no such thing")
        return figure


def contest(*peers: Made, missing: dict[str, str] | None = None) -> Contest:
    asked: list[str] = []
    for peer in peers:
        peer.asked = asked
    about = {peer.name: {"peer": peer.name, "versions": {}} for peer in peers}
    return Contest(cast("list[Peer]", list(peers)), missing or {}, cast("dict[str, dict[str, Any]]", about))


async def test_rounds_are_interleaved_and_each_begins_with_another_peer() -> None:
    contestants = contest(Made("ours", [1, 1]), Made("other", [1, 1]))

    await contestants.measure(2, lambda peer: peer.read_all())

    assert cast("Made", contestants.peers[0]).asked == ["ours", "other", "other", "ours"]


async def test_ratios_are_of_the_same_round() -> None:
    contestants = contest(Made("ours", [10, 20, 40]), Made("raw PostgreSQL", [20, 20, 20]), Made("other", [5, 20, 10]))

    figures = await contestants.measure(3, lambda peer: peer.read_all())
    raw, other = contestants.results("read all", "events/s", figures)

    assert raw.ratio is not None
    assert (raw.ratio.least, raw.ratio.median, raw.ratio.greatest) == (0.5, 1.0, 2.0)
    assert other.ratio is not None
    assert (other.ratio.least, other.ratio.greatest) == (1.0, 4.0)
    assert other.more["to_raw"].median == 0.5


async def test_a_peer_that_fails_once_has_its_reason_instead_of_figures() -> None:
    contestants = contest(Made("ours", [1, 1]), Made("other", [1, None]))

    figures = await contestants.measure(2, lambda peer: peer.read_all())
    (line,) = contestants.results("read all", "events/s", figures)

    assert line.limit is None
    assert line.more["missing"] == "other: it has no such thing"


async def test_a_peer_that_could_not_be_installed_is_named_once() -> None:
    contestants = contest(Made("ours", [1, 1]), missing={"other": "this machine has no node and npm"})

    first, second = [
        contestants.results("read all", "events/s", await contestants.measure(1, lambda peer: peer.read_all()))
        for _ in range(2)
    ]

    assert [line.limit_is for line in first] == ["other: this machine has no node and npm"]
    assert second == []


def test_every_peer_has_a_name_of_its_own_and_says_which_way_it_is_used() -> None:
    peers = [make() for make in PEERS]

    assert len({peer.name for peer in peers}) == len(peers)
    assert all(peer.what for peer in peers)


def test_the_sample_is_a_stored_order() -> None:
    assert sample()["type"] == "order.placed"
    assert 500 < len(json.dumps(sample(), separators=(",", ":"))) < 1_000


def test_a_failed_installation_tells_its_reason_but_no_address(tmp_path: Path) -> None:
    program = tmp_path / "client"
    said = "echo error: GET https://index.example/x failed, see /home/me/log"
    program.write_text(f"#!/bin/sh\n{said} >&2\nexit 1\n")
    program.chmod(0o755)

    with pytest.raises(Missing, match=r"^client could not install it: error: GET \.\.\. failed, see \.\.\.$"):
        install._run([str(program)])


def test_peers_are_pinned_by_digest_and_without_the_address_of_a_registry() -> None:
    packages = json.loads((FOLDER / "node" / "package-lock.json").read_text())["packages"]
    requirements = install.REQUIREMENTS.read_text()

    assert all("integrity" in package for name, package in packages.items() if name)
    assert not any("resolved" in package for package in packages.values())
    assert "--hash=sha256:" in requirements
    assert "://" not in requirements
    assert all(re.fullmatch("[0-9a-f]{64}", jar.digest) for jar in listed(install.AXON_JARS))
