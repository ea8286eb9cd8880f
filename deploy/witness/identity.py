"""Who a witness is: a key and a name, in the folder in which it also remembers.

The folder must never be put back from a backup: the witness would have forgotten what it signed. If it is lost, so is
the key, and a new witness begins with a key of its own.
"""

from pathlib import Path

from shared.atomic_file import replace
from shared.audit.note import BadKey, VerifierKey
from shared.audit.signer import Cosigner, make_key, read_key

KEY = "key.pem"
PUBLIC = "witness.pub"


def make_witness(folder: Path, name: str) -> VerifierKey:
    """Makes the key of a new witness and says its verifier key in witness.pub; one that is there keeps both.

    Raises BadKey (the name cannot be one, or the witness has another one) or OSError.
    """
    make_key(folder / KEY)
    public = folder / PUBLIC
    if not public.exists():
        key = Cosigner(name, read_key(folder / KEY)).key
        replace(public, f"{key}\n".encode(), 0o644)
    key = open_witness(folder).key
    if key.name != name:
        raise BadKey(
            f"the witness in {folder} is named {key.name}: a key keeps its name, a new name needs a new folder"
        )
    return key


def open_witness(folder: Path) -> Cosigner:
    """The witness of a folder. Raises BadKey or OSError (stop)."""
    said = VerifierKey.parse((folder / PUBLIC).read_text().strip())
    cosigner = Cosigner(said.name, read_key(folder / KEY))
    if cosigner.key != said:
        raise BadKey(f"{folder / PUBLIC} tells another key than that in {KEY}: the witness needs the folder as it was")
    return cosigner
