"""Put the records of a file together, without servers: the matcher that the identity service uses."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.commands.options import JsonOption
from deploy.commands.output import STDERR, STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.matching.matching import (
    DEFAULT_MODEL,
    match_records,
    model_of,
    no_collection,
    summary,
    write_clusters,
    write_pairs,
)
from deploy.matching.progress import progress
from deploy.matching.records import load, read_mapping

FileArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file whose first line names the columns.")
]
MappingOption = Annotated[
    Path | None, typer.Option("--mapping", exists=True, dir_okay=False, help="A TOML file: what its columns are.")
]
ModelOption = Annotated[str, typer.Option("--model", help="A shipped model by name, or a .json file.")]
CountryOption = Annotated[
    str, typer.Option("--country", help="Two letters: where phone numbers and dates belong that do not say it.")
]


def match(
    file: FileArgument,
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write id,entity_id.")] = None,
    pairs: Annotated[Path | None, typer.Option("--pairs", help="Where to write id_a,id_b,weight,decision.")] = None,
    mapping: MappingOption = None,
    model: ModelOption = DEFAULT_MODEL,
    country: CountryOption = "",
    adapt: Annotated[
        bool, typer.Option("--adapt/--as-is", help="Fit the model to the file, or weigh by it as it is.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Put the records of a CSV file together: every row gets the id of its entity."""
    began = time.monotonic()
    chosen, reading = model_of(model), read_mapping(mapping, country)
    if out is None and pairs is None:
        raise EmbeddedError("Give --out, --pairs or both: where to write what was found.")
    with progress(quiet=as_json) as tell, no_collection():
        records = load(file, reading, tell)
        found = match_records(records, chosen, tell, adapt=adapt)
        tell("Writing", -1)
        if out is not None:
            write_clusters(out, found)
        if pairs is not None:
            write_pairs(pairs, found)
    answer = summary(records, found)
    answer["seconds"] = round(time.monotonic() - began, 2)
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    for note in answer["notes"]:
        STDERR.print(note, highlight=False, markup=False)
    if answer["ignored_columns"]:
        names = ", ".join(answer["ignored_columns"])
        STDERR.print(f"Columns that were left out: {names}", highlight=False, markup=False)
    for skipped in answer["skipped_keys"]:
        STDERR.print(
            f"{skipped['keys']} keys of the kind {skipped['kind']} are shared by too many records to be compared"
            f" (up to {skipped['largest']}); their records were compared by their other keys.",
            highlight=False,
        )
    if answer["pairs_too_weak"]:
        STDERR.print(
            f"{answer['pairs_too_weak']} pairs were not compared: others share more.",
            highlight=False,
        )
    held = ", ".join(f"{name} {count}" for name, count in answer["held"].items()) or "none"
    STDOUT.print(
        f"records {answer['records']}, entities {answer['entities']}, largest {answer['largest']},"
        f" pairs merged {answer['pairs']['merge']}, for review {answer['pairs']['review']},"
        f" held back by guards {held}, seconds {answer['seconds']}",
        highlight=False,
        soft_wrap=True,
    )
