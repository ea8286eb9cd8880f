"""Matching a file: the model it is matched by, what came of it, and the two result files."""

from __future__ import annotations

import gc
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.embedded.errors import EmbeddedError
from deploy.matching.progress import Tell, silent
from deploy.matching.records import Records
from deploy.matching.writing import write_csv
from services.identity.matching.model import Model, UnknownModel, from_json, shipped
from services.identity.matching.resolve import Resolution, resolve

DEFAULT_MODEL = "default"


@dataclass(frozen=True, slots=True)
class Matched:
    """What came of a file. `entities` maps every record to its entity: the least id of the records in its cluster."""

    resolution: Resolution
    entities: Mapping[str, str]
    seconds: float

    def decision(self, a: str, b: str) -> str:
        """merge for two records in one cluster, review for a pair that a person should look at."""
        return "merge" if self.entities[a] == self.entities[b] else "review"


def model_of(said: str) -> Model:
    """A shipped model by its name, or the model in a file. Raises EmbeddedError for what is neither."""
    try:
        if said.endswith(".json") or Path(said).is_file():
            return from_json(Path(said).read_bytes())
        return shipped(said)
    except OSError as error:
        raise EmbeddedError(f"The model {said} cannot be read: {error.strerror}.") from None
    except UnknownModel as error:
        raise EmbeddedError(f"{said}: {error}.") from None


def match_records(records: Records, model: Model, tell: Tell = silent, *, adapt: bool = True) -> Matched:
    """Puts the records together. Every record has an entity, the same whatever the order of the file."""
    began = time.monotonic()
    tell("Matching", -1)
    found = resolve(records.items, model, adapt=adapt, processes=os.cpu_count() or 1)
    entities = {record: record for record in records.ids}
    for cluster in found.clusters:
        entities.update(dict.fromkeys(cluster, min(cluster)))
    return Matched(found, entities, time.monotonic() - began)


def write_clusters(path: Path, matched: Matched) -> None:
    """One row per record, in the order of the file: id,entity_id."""
    write_csv(path, ("id", "entity_id"), matched.entities.items())


def write_pairs(path: Path, matched: Matched) -> None:
    """One row per pair from the review threshold on, the strongest first: id_a,id_b,weight,decision; weight in bits."""
    rows = ((a, b, bits(weight), matched.decision(a, b)) for a, b, weight in matched.resolution.pairs)
    write_csv(path, ("id_a", "id_b", "weight", "decision"), rows)


def bits(weight: int) -> str:
    """Thousandths of a bit as exact bits."""
    return f"{'-' if weight < 0 else ''}{abs(weight) // 1000}.{abs(weight) % 1000:03}"


def summary(records: Records, matched: Matched) -> dict[str, Any]:
    """What to tell of a run: counts, what was left out, and versions. No values of a record."""
    found = matched.resolution
    decisions = Counter(matched.decision(a, b) for a, b, _ in found.pairs)
    sizes = Counter(matched.entities.values())
    return {
        "file": records.name,
        "records": len(records.ids),
        "entities": len(sizes),
        "largest": max(sizes.values(), default=0),
        "pairs": {"compared": found.compared, "merge": decisions["merge"], "review": decisions["review"]},
        "held": dict(sorted(Counter(held.guard for held in found.held).items())),
        "pairs_too_weak": found.weak,
        "skipped_keys": [skipped._asdict() for skipped in found.skipped],
        "model": found.model.id,
        "encoding": records.encoding,
        "delimiter": records.delimiter,
        "ignored_columns": list(records.ignored),
        "notes": records.notes.sentences(),
    }


@contextmanager
def no_collection() -> Iterator[None]:
    """Without the cyclic garbage collector: millions of small records make it slow, and none of them is in a cycle."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
