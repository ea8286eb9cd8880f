"""`custlog match shadow`: what another model would change, before it is switched on."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.commands.match import CountryOption, FileArgument, MappingOption
from deploy.commands.options import JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.matching.matching import DEFAULT_MODEL, match_records, model_of, no_collection
from deploy.matching.progress import progress
from deploy.matching.records import load, read_mapping
from deploy.matching.writing import write_csv
from services.identity.matching.shadow import changes, difference


def shadow(
    file: FileArgument,
    *,
    other: Annotated[str, typer.Option("--with", help="The model to try: a name or a .json file.")],
    model: Annotated[str, typer.Option("--model", help="The model in use: a name or a .json file.")] = DEFAULT_MODEL,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write id_a,id_b,change.")] = None,
    mapping: MappingOption = None,
    country: CountryOption = "",
    adapt: Annotated[
        bool, typer.Option("--adapt/--as-is", help="Fit both models to the file, or weigh by them as they are.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Match a file by two models and report the merges that the other one gains and loses."""
    old_model, new_model, reading = model_of(model), model_of(other), read_mapping(mapping, country)
    with progress(quiet=as_json) as tell, no_collection():
        records = load(file, reading, tell)
        old, new = (match_records(records, each, tell, adapt=adapt) for each in (old_model, new_model))
    weighed = [(a, b) for found in (old, new) for a, b, _ in found.resolution.pairs]
    listed = changes(old.entities, new.entities, weighed)
    if out is not None:
        write_csv(out, ("id_a", "id_b", "change"), listed)
    told = difference(old.entities, new.entities)
    answer: dict[str, Any] = {
        "records": len(records.ids),
        "model": old.resolution.model.id,
        "with": new.resolution.model.id,
        "pairs": {"kept": told.kept, "gained": told.gained, "lost": told.lost},
        "changed_records": told.records,
        "listed": len(listed),
    }
    if as_json:
        print_json(answer)
    else:
        STDOUT.print(
            f"records {answer['records']}, pairs in one entity: kept {told.kept}, gained {told.gained},"
            f" lost {told.lost}; records whose entity changes {told.records}",
            highlight=False,
            soft_wrap=True,
        )
