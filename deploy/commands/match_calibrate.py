"""`custlog match calibrate`: a model fitted to a file, by labels where there are some."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from deploy.commands.match import CountryOption, FileArgument, MappingOption, ModelOption
from deploy.commands.options import JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.matching.matching import DEFAULT_MODEL, bits, match_records, model_of, no_collection
from deploy.matching.progress import progress
from deploy.matching.records import Records, load, read_clusters, read_mapping, read_pairs
from services.identity.matching.blocks import candidates, keyed
from services.identity.matching.calibrate import TooFewLabels, calibrate, labelled
from services.identity.matching.counting import learn
from services.identity.matching.frequencies import Frequencies
from services.identity.matching.model import Model, to_json
from services.identity.matching.record import Normal
from services.identity.matching.vectors import totals
from shared.atomic_file import replace

_FILE = {"exists": True, "dir_okay": False}
_READABLE = 0o644
_SAME = {"1": True, "true": True, "yes": True, "same": True, "0": False, "false": False, "no": False, "never": False}

LabelledPair = tuple[Normal, Normal, bool]


def calibrating(
    file: FileArgument,
    *,
    out: Annotated[Path, typer.Option("--out", help="Where to write the model.")],
    labels: Annotated[Path | None, typer.Option("--labels", **_FILE, help="id_a,id_b,same: judged pairs.")] = None,
    truth: Annotated[Path | None, typer.Option("--truth", **_FILE, help="id,entity_id: who is who.")] = None,
    name: Annotated[str, typer.Option("--name", help="What the model is called.")] = "calibrated",
    frequencies: Annotated[
        bool, typer.Option("--frequencies", help="Keep the frequencies of values: names and numbers of the file.")
    ] = False,
    mapping: MappingOption = None,
    model: ModelOption = DEFAULT_MODEL,
    country: CountryOption = "",
    as_json: JsonOption = False,
) -> None:
    """Fit a model to a file: by labelled pairs or a known truth, or without labels by what the file says itself."""
    if labels is not None and truth is not None:
        raise EmbeddedError("Give --labels or --truth, not both.")
    base, reading = model_of(model), read_mapping(mapping, country)
    answer: dict[str, Any] = {}
    with progress(quiet=as_json) as tell, no_collection():
        records = load(file, reading, tell)
        if labels is None and truth is None:
            fitted = match_records(records, base, tell).resolution.model
        else:
            start = base.fitted(len(records.ids), learn(records.normals()))
            pairs = list(_judged(labels, records) if labels else _known(truth, records, start) if truth else ())
            tell("Fitting", -1)
            fitted, answer = _fitted(pairs, start)
    kept = fitted.frequencies if frequencies else Frequencies()
    fitted = msgspec.structs.replace(fitted, name=name, version=base.version + 1, frequencies=kept)
    try:
        replace(out, to_json(fitted), _READABLE)
    except OSError as error:
        raise EmbeddedError(f"{out} cannot be written: {error.strerror}.") from None
    answer = {"model": fitted.id, "records": fitted.size, "prior": bits(fitted.prior), **answer}
    if as_json:
        print_json(answer)
    else:
        STDOUT.print(", ".join(f"{key} {value}" for key, value in answer.items()), highlight=False, soft_wrap=True)


def _fitted(pairs: list[LabelledPair], start: Model) -> tuple[Model, dict[str, Any]]:
    """The fitted model, and how many of the labels either model would decide as they say."""
    data = labelled(pairs, start)
    try:
        fitted = calibrate(data, start)
    except TooFewLabels as error:
        raise EmbeddedError(f"These labels do not do: {error}.") from None
    right = {
        name: int(((totals(data.vectors, of).weights >= of.merge) == data.same).sum())
        for name, of in (("right_before", start), ("right_after", fitted))
    }
    return fitted, {"labels": len(pairs), "same": int(data.same.sum()), **right}


def _judged(file: Path, records: Records) -> Iterator[LabelledPair]:
    normals = dict(records.items)
    for n, (a, b, same) in enumerate(read_pairs(file, ("id_a", "id_b", "same")), start=1):
        if a not in normals or b not in normals:
            raise EmbeddedError(f"{file.name}: row {n} names a record that {records.name} does not have.")
        if same.lower() not in _SAME:
            raise EmbeddedError(f"{file.name}: the column same of row {n} has to be 1 or 0.")
        yield normals[a], normals[b], _SAME[same.lower()]


def _known(file: Path, records: Records, model: Model) -> Iterator[LabelledPair]:
    """The pairs that the matcher would compare, labelled by the truth."""
    clusters = read_clusters(file)
    found = candidates(keyed(records.normals()), len(records.ids), model)
    for a, b in zip(found.left.tolist(), found.right.tolist(), strict=True):
        left, right = clusters.get(records.ids[a]), clusters.get(records.ids[b])
        if left is not None and right is not None:
            yield records.items[a][1], records.items[b][1], left == right
