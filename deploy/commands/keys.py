"""`custlog keys`: the key-encryption keys, which wrap every customer's data key."""

from typing import Annotated

import typer

from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import open_keyring
from shared.privacy.kek import add_key, drop_key


def rotate(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make a new key-encryption key and wrap every data key with it, while the system runs. No event changes."""
    chosen = Home.at(home)
    with open_keyring(chosen) as keyring, steps(quiet=as_json) as tell:
        tell("Making a new key-encryption key")
        version = add_key(chosen.kek_file)
        wrapped = 0
        while count := keyring.rewrap():
            wrapped += count
            tell(f"{wrapped} data keys wrapped anew")
    if as_json:
        print_json({"current": version, "wrapped": wrapped})
    else:
        STDOUT.print(f"Key-encryption key {version} is the current one; {wrapped} data keys wrapped anew.")
        STDOUT.print(f"Back up {chosen.keys} now.", highlight=False)


def retire(
    version: Annotated[int, typer.Argument(help="The version of an old key-encryption key.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an old key-encryption key out of the key file; backups of the keyring from its time open only with it."""
    chosen = Home.at(home)
    with open_keyring(chosen) as keyring:
        while keyring.rewrap():
            pass
        if left := keyring.wrapped_by(version):
            raise EmbeddedError(f"Key-encryption key {version} wraps {left} data keys; run custlog keys rotate before.")
    try:
        drop_key(chosen.kek_file, version)
    except ValueError as refused:
        raise EmbeddedError(f"{refused}.") from None
    if as_json:
        print_json({"retired": version})
    else:
        STDOUT.print(f"Key-encryption key {version} is gone from {chosen.kek_file}.", highlight=False)
