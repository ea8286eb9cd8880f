"""What every process of a system has computed: a figure that other work on the machine hardly changes."""

from __future__ import annotations

import psutil

from deploy.embedded.home import State


def cpu_seconds(state: State) -> dict[str, float]:
    """Process -> seconds of CPU since its start, its children and those that ended included."""
    running = {**state.servers, **state.services}
    return {name: _of(entry.pid) for name, entry in running.items() if entry.pid is not None}


def _of(pid: int) -> float:
    process = psutil.Process(pid)
    ended = process.cpu_times()
    total = ended.children_user + ended.children_system
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return float(total)
