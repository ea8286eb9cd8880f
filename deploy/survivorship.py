"""Survivorship policies as files, and what a policy would change of the golden records. Ids only, never a value."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import ValidationError

from deploy.embedded.errors import EmbeddedError
from services.projections.fold import fold_all
from services.projections.views.customer import CUSTOMER
from services.projections.views.golden import golden
from services.projections.views.survivorship import edition_of, in_force
from services.projections.views.values import Opened, opened_of
from services.projections.views.view import Document
from shared.events.envelope import Recorded
from shared.events.survivorship import Policy, SurvivorshipPolicySet

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Preview:
    """How many identities would have another value, by field, with some of them by id."""

    against: str
    identities: int
    changed: int
    fields: Mapping[str, int]
    some: tuple[str, ...]


def read_policy(file: Path) -> Policy:
    """The policy in a TOML or JSON file. EmbeddedError names what is wrong."""
    try:
        content = file.read_bytes()
        said = tomllib.loads(content.decode()) if file.suffix == ".toml" else orjson.loads(content)
        return Policy.model_validate(said)
    except OSError as error:
        raise EmbeddedError(f"{file} cannot be read: {error.strerror}.") from None
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise EmbeddedError(f"{file} is no policy: {place}: {first['msg']} (docs/golden.md shows one).") from None
    except ValueError as wrong:
        raise EmbeddedError(f"{file} is neither TOML nor JSON: {wrong}.") from None


def preview(events: Iterable[Recorded], policy: Policy, at: str) -> Preview:
    """What would be different if the policy came into force at an instant. Holds every opened value in memory."""
    told = list(events)
    opened = opened_of(told)
    now = in_force([edition_of(event) for event in told if event.type == SurvivorshipPolicySet.TYPE], at)
    documents = fold_all(told, [CUSTOMER])["customer"]
    differing = {key: _differing(document, opened, now.policy, policy) for key, document in documents.items()}
    changed = sorted(key for key, fields in differing.items() if fields)
    counts = Counter(field for fields in differing.values() for field in fields)
    return Preview(now.label, len(documents), len(changed), dict(sorted(counts.items())), tuple(changed[:SHOWN]))


def _differing(document: Document, opened: Opened, before: Policy, after: Policy) -> list[str]:
    """The fields whose value comes from elsewhere, unless it is the same there."""
    held, would = (golden(document["members"], opened, policy) for policy in (before, after))
    return [field for field in sorted(held.keys() | would.keys()) if _says(held.get(field)) != _says(would.get(field))]


def _says(entry: Document | None) -> tuple[str, str, str] | None:
    return None if entry is None else (entry["event"], entry["member"], entry.get("contact", ""))
