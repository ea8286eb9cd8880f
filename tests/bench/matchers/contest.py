"""One matcher on one set: a process of its own, its clusters judged like everybody's."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.embedded.home import PROJECT
from deploy.matching.records import read_clusters
from services.identity.matching.evaluate import quality
from tests.bench.matchers.sets import LabelledSet
from tests.bench.peers import install
from tests.bench.peers.peer import Missing

PROGRAMS = PROJECT / "tests" / "bench" / "peers" / "programs"
_SECONDS = 1200


@dataclass(frozen=True, slots=True)
class Matcher:
    """`command` makes the words that read a records file and write a clusters file."""

    name: str
    command: Callable[[Path, Path], Sequence[str | Path]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run. Figures are after closure; `seconds` are of the whole process, `megabytes` its largest resident size.

    `failed` is the reason why there are none.
    """

    matcher: str
    set: str
    records: int = 0
    f1: float = 0.0
    precision: float = 0.0
    recall: float = 0.0
    bcubed: float = 0.0
    largest: int = 0
    exact: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    records_per_second: float = 0.0
    megabytes: int = 0
    failed: str = ""

    def to_json(self) -> Mapping[str, Any]:
        """Values of JSON."""
        return asdict(self)


def _ours(records: Path, clusters: Path) -> Sequence[str | Path]:
    words = "from deploy.cli import main; main()"
    return (sys.executable, "-c", words, "match", "--json", records, "--out", clusters)


def _peer(program: str, *options: str) -> Callable[[Path, Path], Sequence[str | Path]]:
    def command(records: Path, clusters: Path) -> Sequence[str | Path]:
        return (install.matchers(), "-W", "ignore", PROGRAMS / program, records, clusters, *options)

    return command


MATCHERS = (
    Matcher("custlog", _ours),
    Matcher("Splink, unsupervised, best guess 0.95", _peer("match_splink.py")),
    Matcher("GoldenMatch, zero configuration", _peer("match_goldenmatch.py")),
    Matcher("recordlinkage, ECM", _peer("match_recordlinkage.py")),
)


def run(matcher: Matcher, labelled: LabelledSet, folder: Path) -> Outcome:
    """Runs a matcher to its end. What goes wrong is in the outcome, and the others go on."""
    clusters = folder / f"{matcher.name[:7]}-clusters.csv"
    clusters.unlink(missing_ok=True)
    try:
        command = [str(word) for word in matcher.command(labelled.records, clusters)]
        seconds, cpu, megabytes = _measured(command, folder / "said.log")
        found, truth = read_clusters(clusters), read_clusters(labelled.truth)
    except Missing as missing:
        return Outcome(matcher.name, labelled.name, failed=str(missing))
    judged = quality(found, truth, rounds=0)
    return Outcome(
        matcher.name,
        labelled.name,
        judged.records,
        round(judged.closure.f1, 4),
        round(judged.closure.precision, 4),
        round(judged.closure.recall, 4),
        round(judged.bcubed.f1, 4),
        judged.largest,
        round(judged.exact, 4),
        round(seconds, 1),
        round(cpu, 1),
        round(judged.records / seconds),
        megabytes,
    )


def _measured(command: Sequence[str], log: Path) -> tuple[float, float, int]:
    """Seconds on the clock, seconds of CPU, and megabytes. Raises Missing with the last line that was said."""
    began = time.monotonic()
    with (
        log.open("wb") as said,
        subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        ) as process,
    ):
        status, used = _waited(process)
    if status:
        lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise Missing(install.reason(lines[-1]))
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def _waited(process: subprocess.Popen[bytes]) -> tuple[int, resource.struct_rusage]:
    deadline = time.monotonic() + _SECONDS
    while True:
        found, status, used = os.wait4(process.pid, os.WNOHANG)
        if found:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, used
        if time.monotonic() > deadline:
            process.kill()
            raise Missing(f"it took more than {_SECONDS} s")
        time.sleep(0.05)


def to_json(outcomes: Sequence[Outcome], about: Mapping[str, object]) -> str:
    """The file that the page is made from."""
    return json.dumps({"machine": about, "outcomes": [outcome.to_json() for outcome in outcomes]}, indent=1) + "\n"
