"""`custlog`: the one command of operators and auditors.

Every command is one function in `deploy/commands/`; COMMANDS is the table of all of them. A command prints its answer
on standard output (one JSON object with --json), progress and errors on standard error, and ends with 0 only when it
did what was asked.
"""

import sys
from collections.abc import Callable

import typer
from typer.core import TyperGroup

from deploy.commands import (
    audit,
    backup,
    contracts,
    demo,
    diff,
    erase,
    exposed,
    identity,
    identity_export,
    importing,
    keys,
    logs,
    match,
    match_calibrate,
    match_evaluate,
    match_explain,
    match_shadow,
    match_splink,
    monitor,
    numbers,
    operate,
    query,
    replay,
    retention,
    scratch,
    status,
    subject,
    survivorship,
    system,
    token,
    watermark,
    why,
    witness,
)
from deploy.embedded.errors import EmbeddedError
from shared.errors import CustlogError

COMMANDS: dict[str, Callable[..., None]] = {
    "up": system.up,
    "down": system.down,
    "status": status.status,
    "logs": logs.logs,
    "token": token.token,
    "import": importing.importing,
    "replay": replay.replay,
    "erase": erase.erase,
    "scratch": scratch.scratch,
    "rebuild": operate.rebuild,
    "parked": operate.parked,
    "republish": backup.republish,
    "backup": backup.backup,
    "restore": backup.restore,
    "witness": witness.witness,
    "audit verify": audit.verify,
    "audit prove": audit.prove,
    "audit certificate": audit.certificate,
    "audit query": query.query,
    "audit why": why.why,
    "audit diff": diff.diff,
    "audit exposed": exposed.exposed,
    "audit watermark": watermark.watermark,
    "subject export": subject.export,
    "contracts processing": contracts.processing,
    "keys rotate": keys.rotate,
    "keys retire": keys.retire,
    "survivorship show": survivorship.show,
    "survivorship set": survivorship.put,
    "survivorship preview": survivorship.preview,
    "retention due": retention.due,
    "retention purge": retention.purge,
    "numbers rules": numbers.rules,
    "numbers lint": numbers.lint,
    "numbers dry-run": numbers.dry_run,
    "numbers set": numbers.set_rules,
    "numbers check": numbers.check,
    "numbers capacity": numbers.capacity,
    "numbers import": numbers.take_over,
    "numbers backfill": numbers.backfill,
    "numbers lease": numbers.lease,
    "numbers release": numbers.release,
    "monitor": monitor.monitor,
    "match": match.match,
    "match evaluate": match_evaluate.evaluate,
    "match calibrate": match_calibrate.calibrating,
    "match explain": match_explain.explaining,
    "match shadow": match_shadow.shadow,
    "match splink": match_splink.splink,
    "identity assert": identity.assertions,
    "identity reviews": identity.reviews,
    "identity labels": identity.labels,
    "identity export": identity_export.export,
    "demo": demo.demo,
}
"""Name -> function; of two words, the first is a group. A name that is a group too is what the group does by itself."""

_ITSELF = "file"
"""The last word of what a group does by itself, for its help; it need not be said."""


class _ByItself(TyperGroup):
    """A group that takes arguments which name none of its commands for itself: `custlog match people.csv`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Puts the last word in where it was not said."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_ITSELF, *args]
        return super().parse_args(ctx, args)


def app() -> typer.Typer:
    """The command line with every command of the table."""
    mounted = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="custlog")
    groups: dict[str, typer.Typer] = {"": mounted}
    for name, command in COMMANDS.items():
        group, _, last = name.rpartition(" ")
        if by_itself := any(other.startswith(f"{name} ") for other in COMMANDS):
            group, last = name, _ITSELF
        if group not in groups:
            kind = _ByItself if by_itself else TyperGroup
            groups[group] = typer.Typer(cls=kind, no_args_is_help=True, help=sys.modules[command.__module__].__doc__)
            mounted.add_typer(groups[group], name=group)
        groups[group].command(last)(command)
    return mounted


def main() -> None:
    """Run the command; what goes wrong is one sentence on standard error and exit code 1."""
    try:
        app()()
    except (EmbeddedError, CustlogError) as error:
        sys.stderr.write(f"custlog: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
