"""`custlog`: the one command of operators and auditors.

Every command is one function in `deploy/commands/`; COMMANDS is the table of all of them. A command prints its answer
on standard output (one JSON object with --json), progress and errors on standard error, and ends with 0 only when it
did what was asked.
"""

import sys
from collections.abc import Callable

import typer

from deploy.commands import (
    audit,
    backup,
    contracts,
    demo,
    diff,
    erase,
    exposed,
    identity,
    importing,
    keys,
    logs,
    monitor,
    operate,
    query,
    replay,
    retention,
    scratch,
    status,
    subject,
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
    "retention due": retention.due,
    "retention purge": retention.purge,
    "monitor": monitor.monitor,
    "identity assert": identity.assertions,
    "identity reviews": identity.reviews,
    "identity labels": identity.labels,
    "demo": demo.demo,
}
"""Name -> function; of two words, the first is a group."""


def app() -> typer.Typer:
    """The command line with every command of the table."""
    mounted = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="custlog")
    groups: dict[str, typer.Typer] = {"": mounted}
    for name, command in COMMANDS.items():
        group, _, last = name.rpartition(" ")
        if group not in groups:
            groups[group] = typer.Typer(no_args_is_help=True, help=sys.modules[command.__module__].__doc__)
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
