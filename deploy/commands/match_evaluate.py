"""`custlog match evaluate`: how well the records of a file are put together, beside a known truth."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from deploy.commands.match import CountryOption, MappingOption, ModelOption
from deploy.commands.options import JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.matching.matching import DEFAULT_MODEL, match_records, model_of, no_collection
from deploy.matching.progress import progress
from deploy.matching.quality import judged
from deploy.matching.records import load, read_clusters, read_mapping

_FILE = {"exists": True, "dir_okay": False}


def evaluate(
    *,
    records: Annotated[Path, typer.Option("--records", **_FILE, help="The records, as for custlog match.")],
    truth: Annotated[Path, typer.Option("--truth", **_FILE, help="id,entity_id: who is who.")],
    clusters: Annotated[
        Path | None, typer.Option("--clusters", **_FILE, help="id,entity_id: judge this instead of a run of our own.")
    ] = None,
    mapping: MappingOption = None,
    model: ModelOption = DEFAULT_MODEL,
    country: CountryOption = "",
    as_json: JsonOption = False,
) -> None:
    """Judge a clustering: pairs, closure, B-cubed, exact clusters, by segment, blocking recall, 95 % intervals."""
    chosen, reading = model_of(model), read_mapping(mapping, country)
    known = read_clusters(truth)
    with progress(quiet=as_json) as tell, no_collection():
        loaded = load(records, reading, tell, keep=True)
        given = None if clusters is None else read_clusters(clusters)
        found = match_records(loaded, chosen, tell) if given is None else None
        tell("Judging", -1)
        answer = judged(loaded, known, found.entities if found else given or {}, found)
    answer["model"] = found.resolution.model.id if found else None
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    table = Table("", "precision", "recall", "F1", "95 % of F1", box=box.SIMPLE_HEAD, pad_edge=False)
    intervals = answer["intervals_95"]
    for title, name in (("merged pairs", "pairs"), ("after closure", "closure"), ("B-cubed", "bcubed")):
        if name in answer:
            figures = [f"{answer[name][part]:.4f}" for part in ("precision", "recall", "f1")]
            span = intervals.get(f"{name}_f1")
            table.add_row(title, *figures, f"{span[0]:.4f} to {span[1]:.4f}" if span else "")
    for segment, parts in answer["segments"].items():
        for part, told in parts.items():
            figures = [f"{told['closure'][name]:.4f}" for name in ("precision", "recall", "f1")]
            table.add_row(f"closure, {segment} {part}", *figures, "")
    STDOUT.print(table)
    more = f", blocking recall {answer['blocking_recall']:.4f}" if "blocking_recall" in answer else ""
    STDOUT.print(
        f"records {answer['records']}, clusters {answer['clusters']} of {answer['true_clusters']},"
        f" exact {answer['exact_clusters']:.4f}, largest {answer['largest']} of {answer['true_largest']}{more}",
        highlight=False,
        soft_wrap=True,
    )
