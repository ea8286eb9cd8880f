"""`custlog contracts`: what is generated from the contracts of the events."""

from deploy import processing as records
from deploy.commands.options import JsonOption
from deploy.commands.output import print_json


def processing(*, as_json: JsonOption = False) -> None:
    """Print the record of processing: every personal field, what it is for, who sees it, how long it stays."""
    if as_json:
        print_json(records.record())
    else:
        print(records.markdown(), end="")
