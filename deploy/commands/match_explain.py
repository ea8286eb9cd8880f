"""`custlog match explain`: why two records of a file are, or are not, one."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from deploy.commands.match import CountryOption, FileArgument, MappingOption, ModelOption
from deploy.commands.options import JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.matching.matching import DEFAULT_MODEL, bits, match_records, model_of, no_collection
from deploy.matching.progress import progress
from deploy.matching.records import Records, load, read_mapping
from deploy.matching.writing import write_text
from services.identity.matching.explain import Explanation, explain, to_json
from services.identity.matching.explain_svg import to_svg


def explaining(
    file: FileArgument,
    id_a: Annotated[str, typer.Argument(metavar="ID_A", help="The id of a row.")],
    id_b: Annotated[str, typer.Argument(metavar="ID_B", help="The id of another row.")],
    *,
    mapping: MappingOption = None,
    model: ModelOption = DEFAULT_MODEL,
    country: CountryOption = "",
    adapt: Annotated[
        bool, typer.Option("--adapt/--as-is", help="By the model fitted to the file, or as it is.")
    ] = True,
    svg: Annotated[Path | None, typer.Option("--svg", help="Where to draw it, as an SVG picture.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain any two records of a file: the prior and a bar per field, which add up to the weight."""
    chosen, reading = model_of(model), read_mapping(mapping, country)
    with progress(quiet=as_json) as tell, no_collection():
        records = load(file, reading, tell, keep=True)
        a, b = _place(records, id_a), _place(records, id_b)
        found = match_records(records, chosen, tell, adapt=adapt)
    together = found.entities[id_a] == found.entities[id_b]
    told = explain(records.raws[a], records.raws[b], found.resolution.model, reading.country)
    held = next((held.guard for held in found.resolution.held if {held.a, held.b} == {id_a, id_b}), None)
    if svg is not None:
        write_text(svg, to_svg(told, (id_a, id_b), [_verdict(together=together), *_kept_apart(told, held)]))
    if as_json:
        print_json({"a": id_a, "b": id_b, "together": together, "held": held, **json.loads(to_json(told))})
    else:
        _show(told, id_a, id_b, together=together, held=held)


def _place(records: Records, name: str) -> int:
    try:
        return records.ids.index(name)
    except ValueError:
        raise EmbeddedError(f"{records.name} has no row with the id {name!r}.") from None


def _show(told: Explanation, a: str, b: str, *, together: bool, held: str | None) -> None:
    table = Table("field", "level", "bits", a, b, "compared", "note", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_row("prior", "", bits(told.prior), "", "", "", "before anything was compared")
    for bar in told.bars:
        forms = bar.normal_a if bar.normal_a == bar.normal_b else f"{bar.normal_a} | {bar.normal_b}"
        cells = (bar.field, bar.level, bits(bar.weight), bar.raw_a, bar.raw_b, forms, bar.note)
        table.add_row(*map(escape, cells))
    table.add_row("weight", told.decision, bits(told.weight), "", "", "", "")
    STDOUT.print(table)
    why = "".join(f" {sentence}" for sentence in _kept_apart(told, held))
    keys = f"they share the keys {', '.join(told.keys)}" if told.keys else "they share no key"
    STDOUT.print(
        f"{_verdict(together=together)[:-1]}; merge from {bits(told.merge)} bits, review from"
        f" {bits(told.review)}; {keys}.{why}",
        highlight=False,
        soft_wrap=True,
    )
    for other in told.what_if:
        STDOUT.print(
            f"{other.field} {other.level} would have given {bits(other.weight)} bits: {other.decision}",
            highlight=False,
            markup=False,
        )
    STDOUT.print(f"model {told.model}, {told.normaliser}", highlight=False, markup=False)


def _verdict(*, together: bool) -> str:
    return f"They are {'one entity' if together else 'two entities'}."


def _kept_apart(told: Explanation, held: str | None) -> list[str]:
    return [f"The guard {told.guard or held} keeps them apart."] if told.guard or held else []
