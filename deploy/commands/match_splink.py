"""`custlog match splink`: full re-resolution of a large base on an existing engine."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.commands.match import CountryOption, FileArgument, MappingOption, ModelOption
from deploy.commands.options import JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.matching.matching import DEFAULT_MODEL, bits, match_records, model_of, no_collection
from deploy.matching.progress import progress
from deploy.matching.records import load, read_mapping
from deploy.matching.splink import export, proposals
from deploy.matching.writing import write_csv


def splink(
    file: FileArgument,
    *,
    folder: Annotated[Path | None, typer.Option("--for", help="A folder for records.csv and settings.json.")] = None,
    links: Annotated[
        Path | None,
        typer.Option("--links", exists=True, dir_okay=False, help="Splink's pairs: unique_id_l,unique_id_r."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write id_a,id_b,weight,decision.")] = None,
    mapping: MappingOption = None,
    model: ModelOption = DEFAULT_MODEL,
    country: CountryOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write a file as input for Splink (--for), or read its links back as proposals (--links, --out)."""
    if (folder is None) == (links is None) or (links is not None and out is None):
        raise EmbeddedError("Give either --for FOLDER, or --links PAIRS.csv and --out PROPOSALS.csv.")
    chosen, reading = model_of(model), read_mapping(mapping, country)
    answer: dict[str, Any] = {}
    with progress(quiet=as_json) as tell, no_collection():
        records = load(file, reading, tell)
        if folder is not None:
            answer = export(folder, records)
        if links is not None and out is not None:
            found = list(proposals(links, records, match_records(records, chosen, tell)))
            write_csv(out, ("id_a", "id_b", "weight", "decision"), ((a, b, bits(w), told) for (a, b, w), told in found))
            answer = {"proposals": len(found), **Counter(told for _, told in found)}
    if as_json:
        print_json(answer)
    else:
        STDOUT.print(", ".join(f"{name} {value}" for name, value in answer.items()), highlight=False, soft_wrap=True)
