"""The tables of docs/*.md as the code says them. `python -m tests.docs.tables` prints them for pasting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from inspect import getclosurevars, isfunction, signature
from typing import Any, cast, get_type_hints

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from prometheus_client.metrics import MetricWrapperBase

from deploy.embedded.home import PROJECT
from services.customer.intake import columns
from services.identity.matching.columns import COLUMNS
from shared import metrics
from shared.access.levels import Level
from shared.access.policy import ACTIONS, GRANTS, ROLES, sees
from shared.errors import CustlogError
from shared.settings import REQUIRED, Settings

Row = Sequence[str]
SERVICES = ("customer", "identity", "notifications", "projections")


def settings() -> Iterator[Row]:
    """Variable, default, who cannot start without it."""
    for name, field in Settings.model_fields.items():
        if name == "service":
            continue
        needs = [service for service, names in REQUIRED.items() if name in names]
        needed = "all" if len(needs) == len(REQUIRED) else ", ".join(needs)
        default = "" if field.default in ("", (), None) else f"`{field.default}`"
        yield f"`CUSTLOG_{name.upper()}`", default, needed


def measured() -> Iterator[Row]:
    """Metric, kind, labels, meaning."""
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name = f"`{metric._name}{'_total' if metric._type == 'counter' else ''}`"
            yield name, str(metric._type), ", ".join(metric._labelnames), metric._documentation


def addresses(service: str) -> Iterator[Row]:
    """Method and path, the action that a role must allow, what it is for."""
    found = [(route.path, method, route) for route in _routes(service) for method in route.methods or ()]
    for path, method, route in sorted(found, key=lambda it: (it[0].startswith("/ops"), it[:2])):
        yield f"`{method} {path}`", _action(route.dependant), route.summary or ""


def errors() -> Iterator[Row]:
    """Status, code, title."""
    for kind in sorted(_kinds(CustlogError), key=lambda kind: (kind.status, kind.code)):
        yield str(kind.status), f"`{kind.code}`", kind.title


def csv_columns() -> Iterator[Row]:
    """Column, content."""
    for column in columns.COLUMNS:
        yield f"`{column.name}`", column.meaning


def matched_columns() -> Iterator[Row]:
    """Column of a file to be matched, content."""
    for name, meaning in COLUMNS.items():
        yield f"`{name}`", meaning


def roles() -> Iterator[Row]:
    """Role, its actions, and how it sees each level."""
    for role in ROLES:
        allowed = [action for action in ACTIONS if action in GRANTS[role]]
        said = "all" if len(allowed) == len(ACTIONS) else ", ".join(allowed)
        yield f"`{role}`", said, *(sees([role], level) for level in Level)


def rows_under(document: str, heading: str) -> list[tuple[str, ...]]:
    """The rows of the first table under a heading of a Markdown file, without its head."""
    text = (PROJECT / "docs" / document).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"{document} has no heading {heading}"
    table = re.search(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    assert table, f"there is no table under {heading} of {document}"
    lines = table[0].splitlines()[2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def _routes(service: str) -> Iterator[APIRoute]:
    """The routes of every router that the service's main.py makes. What stands behind them is never called."""
    main = import_module(f"services.{service}.main")
    named = [*vars(main).values(), *vars(getattr(main, "api", main)).values()]
    for maker in {function for function in named if isfunction(function)}:
        if get_type_hints(maker).get("return") is APIRouter:
            for route in maker(*(None for _ in signature(maker).parameters)).routes:
                if isinstance(route, APIRoute):
                    yield route


def _kinds(error: type[CustlogError]) -> Iterator[type[CustlogError]]:
    for kind in error.__subclasses__():
        if kind.__module__ == CustlogError.__module__:
            yield kind
        yield from _kinds(kind)


def _action(dependant: Dependant) -> str:
    for inner in dependant.dependencies:
        if getattr(inner.call, "__qualname__", "") == "require.<locals>.allowed":
            return str(getclosurevars(cast("Any", inner.call)).nonlocals["action"])
        if found := _action(inner):
            return found
    return ""


if __name__ == "__main__":
    tables = {
        "settings": settings(),
        "metrics": measured(),
        "columns": csv_columns(),
        "matched columns": matched_columns(),
        "roles": roles(),
        "errors": errors(),
    }
    tables |= {f"addresses of {service}": addresses(service) for service in SERVICES}
    for title, rows in tables.items():
        print(f"\n{title}")
        for row in rows:
            print(f"| {' | '.join(row)} |")
