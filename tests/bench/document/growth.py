"""The growth of cost as a table and as curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from tests.bench.document.curve import Chart, draw

Size: TypeAlias = Mapping[str, Any]
"""What was measured at one size."""
STORES: Mapping[str, tuple[str, str]] = {
    "PostgreSQL, tables": ("postgres", "tables"),
    "PostgreSQL, indexes": ("postgres", "indexes"),
    "Kafka, topics": ("kafka", "topics"),
    "MongoDB, documents": ("mongo", "documents"),
    "MongoDB, indexes": ("mongo", "indexes"),
}
"""What holds data -> how the names of its parts begin and end."""
PROCESSES = ("postgres", "mongo", "kafka", "customer", "identity", "notifications", "projections")
_READ = ("customer by number", "timeline", "directory: given and family name", "directory: family name",
         "directory: first 3 letters", "agenda: one day")  # fmt: skip


def table(sizes: Sequence[Size]) -> list[str]:
    """Markdown: a line for each figure, a column for each size, and how many times the first the last is."""
    head = "| | " + " | ".join(f"{size['customers']:,}" for size in sizes) + " | grows |"
    lines = [head, "|---|" + "---:|" * (len(sizes) + 1)]
    for name, figure in _figures(sizes[0]):
        cells = [figure(size) for size in sizes]
        shown = [" / ".join(f"{value:,g}" for value in cell) or "refused" for cell in cells]
        lines.append(f"| {name} | " + " | ".join(shown) + f" | {_times(cells[0], cells[-1])} |")
    return lines


def curves(sizes: Sequence[Size]) -> str:
    """SVG, the customers across."""
    xs = [size["customers"] for size in sizes]

    def chart(title: str, lines: Mapping[str, Callable[[Size], float]]) -> Chart:
        return Chart(title, xs, {name: [figure(size) for size in sizes] for name, figure in lines.items()})

    def query(name: str, which: str) -> Callable[[Size], float]:
        return lambda size: float(size["queries"][name][which])

    def disk(store: str) -> Callable[[Size], float]:
        return lambda size: sum(_held(size, name) for name, part in STORES.items() if store.startswith(part[0]))

    def memory(process: str) -> Callable[[Size], float]:
        return lambda size: float(size["memory_mb"][process])

    answered = [name for name in _READ if all("p50_ms" in size["queries"][name] for size in sizes)]
    short = {name: name.replace("directory: ", "").replace("customer ", "") for name in answered}
    charts = [
        chart(
            "Events per second",
            {
                "relay": lambda size: size["relay"]["events_per_second"],
                "rebuild of all views": lambda size: size["rebuild"]["events_per_second"],
                "rows, file to views": lambda size: size["import"]["rows_per_second_visible"],
                "commands, 64 at once": lambda size: size["append"]["64"]["events_per_second"],
                "commands, one by one": lambda size: size["append"]["1"]["events_per_second"],
            },
        ),
        chart(
            "Bytes on disk per event",
            {"PostgreSQL": disk("postgres"), "Kafka": disk("kafka"), "MongoDB": disk("mongo")},
        ),
        chart("Queries, p50 in ms", {short[name]: query(name, "p50_ms") for name in answered}),
        chart("Queries, p99 in ms", {short[name]: query(name, "p99_ms") for name in answered}),
        chart("Memory in MB", {process: memory(process) for process in PROCESSES}),
        chart("Seconds until ready", {name: _start(name) for name in sizes[0]["start_seconds"]}),
    ]
    return draw("How cost grows with the number of customers", charts)


def _figures(like: Size) -> list[tuple[str, Callable[[Size], Sequence[float]]]]:
    """Name -> its values at a size; times are p50 and p99."""

    def at(*path: str) -> Callable[[Size], Sequence[float]]:
        def figure(size: Any) -> Sequence[float]:
            for key in path:
                size = size[key]
            if not isinstance(size, Mapping):
                return (size,)
            # A question that nobody answered in time has none.
            return (size["p50_ms"], size["p99_ms"]) if "p50_ms" in size else ()

        return figure

    return [
        ("events in all logs", lambda size: (sum(size["events"].values()),)),
        ("commands at 64 callers, events/s", at("append", "64", "events_per_second")),
        ("commands at 64 callers, ms", at("append", "64")),
        ("commands at 1 caller, events/s", at("append", "1", "events_per_second")),
        ("commands at 1 caller, ms", at("append", "1")),
        ("one customer out of the log, ms", at("load")),
        ("import until stored, rows/s", at("import", "rows_per_second_taken")),
        ("import until in every view, rows/s", at("import", "rows_per_second_visible")),
        *((f"import, {name}, CPU ms/row", at("import", "cpu_ms_per_row", name)) for name in PROCESSES),
        ("relay, events/s", at("relay", "events_per_second")),
        ("rebuild of all views, events/s", at("rebuild", "events_per_second")),
        ("rebuild of all views, s", at("rebuild", "seconds")),
        *((f"{name}, ms", at("queries", name)) for name in like["queries"]),
        *((f"memory of {name}, MB", at("memory_mb", name)) for name in PROCESSES),
        *((f"disk, {name}, bytes/event", _disk(name)) for name in STORES),
        *((f"start of {name}, s", at("start_seconds", name)) for name in like["start_seconds"]),
    ]


def _disk(store: str) -> Callable[[Size], Sequence[float]]:
    return lambda size: (_held(size, store),)


def _start(service: str) -> Callable[[Size], float]:
    return lambda size: float(size["start_seconds"][service])


def _held(size: Size, store: str) -> float:
    begins, ends = STORES[store]
    parts = size["disk_bytes_per_event"].items()
    return float(round(sum(value for name, value in parts if name.startswith(begins) and name.endswith(ends)), 1))


def _times(first: Sequence[float], last: Sequence[float]) -> str:
    return f"{last[0] / first[0]:.2g}x" if first and last and first[0] else ""
