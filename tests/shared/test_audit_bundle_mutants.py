"""No altered bundle is accepted: mutants of every file and of every kind of byte in it.

README.txt and verify.py make no statement, nor does the order of the signatures under a checkpoint or their repetition.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from shared.audit import bundle, verify
from tests.support.audited import ADA, BEA, HONEST, KEPT, KEYS, KEYS_OF, LOGS, SINCE

SEED = 20_261_122
PARALLEL = ("events.jsonl", "sealed.jsonl", "inclusion.jsonl")

Files = dict[str, bytes]
Mutator = Callable[[random.Random, Files, str], bytes | Files | None]
"""Gives what takes the named file's place, or all files anew; None if it has nothing to change there."""


def statements(made: Mapping[str, bytes]) -> Files:
    return {name: data for name, data in made.items() if name not in {"README.txt", "verify.py"}}


BUNDLES = [statements(bundle.files(ADA, [BEA], HONEST, keys=keys, since=SINCE)) for keys in (KEYS_OF, None)]


def flip_bit(chance: random.Random, files: Files, name: str) -> bytes:
    data = bytearray(files[name])
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def other_character(characters: bytes) -> Mutator:
    def change(chance: random.Random, files: Files, name: str) -> bytes | None:
        data = bytearray(files[name])
        places = [at for at, byte in enumerate(data) if byte in characters]
        if not places:
            return None
        data[chance.choice(places)] = chance.choice(characters)
        return bytes(data)

    return change


def delete_bytes(chance: random.Random, files: Files, name: str) -> bytes:
    data = files[name]
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.choice((1, 1, 2, 8, 64)) :]


def insert_byte(chance: random.Random, files: Files, name: str) -> bytes:
    data = files[name]
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice((b" ", b"\n", b"\r", b"0", b",", b"\x00", b"=", data[at - 1 : at])) + data[at:]


def truncate(chance: random.Random, files: Files, name: str) -> bytes:
    return files[name][: chance.randrange(len(files[name]))]


def swap_parts(chance: random.Random, files: Files, name: str) -> bytes | None:
    """Two of the values between quotation marks, or of the words of a checkpoint, change places."""
    mark = b" " if name.endswith("checkpoint") else b'"'
    parts = files[name].split(mark)
    if len(parts) < 2:
        return None
    one, other = chance.randrange(len(parts)), chance.randrange(len(parts))
    parts[one], parts[other] = parts[other], parts[one]
    return mark.join(parts)


def change_lines(lines: list[bytes], how: str, one: int, other: int) -> bytes:
    lines = list(lines)
    match how:
        case "swap":
            lines[one], lines[other] = lines[other], lines[one]
        case "drop":
            del lines[one]
        case "double":
            lines.insert(other, lines[one])
        case _:
            lines[one] = lines[other]
    return b"".join(lines)


def lines_of_file(chance: random.Random, files: Files, name: str) -> bytes | None:
    lines = files[name].splitlines(keepends=True)
    how = chance.choice(("swap", "drop", "double", "replace"))
    return change_lines(lines, how, chance.randrange(len(lines)), chance.randrange(len(lines)))


def lines_of_events(chance: random.Random, files: Files, name: str) -> Files | None:
    """As before, of the three files that go side by side."""
    log = name.split("/", maxsplit=1)[0]
    if not name.endswith(PARALLEL):
        return None
    count = files[name].count(b"\n")
    how, one, other = chance.choice(("swap", "drop", "double", "replace")), *chance.choices(range(count), k=2)
    names = [f"{log}/{part}" for part in PARALLEL]
    return {**files, **{each: change_lines(files[each].splitlines(keepends=True), how, one, other) for each in names}}


def cut_tail(chance: random.Random, files: Files, name: str) -> Files | None:
    log = name.split("/", maxsplit=1)[0]
    if not name.endswith(PARALLEL):
        return None
    left = chance.randrange(files[name].count(b"\n"))
    names = [f"{log}/{part}" for part in PARALLEL]
    return {**files, **{each: b"".join(files[each].splitlines(keepends=True)[:left]) for each in names}}


def move_file(chance: random.Random, files: Files, name: str) -> Files:
    other = chance.choice(sorted(files))
    moved = {**files, name: files[other]}
    match chance.choice(("swap", "copy", "remove", "rename")):
        case "swap":
            return {**moved, other: files[name]}
        case "copy":
            return moved
        case how:
            del moved[name]
            return (
                moved
                if how == "remove"
                else {**moved, f"{chance.choice(LOGS)}/{name.rsplit('/', maxsplit=1)[-1]}": files[name]}
            )


def move_folder(chance: random.Random, files: Files, name: str) -> Files | None:
    one, other = chance.choices([*LOGS, "orders"], k=2)
    folder = {each.split("/")[-1]: data for each, data in files.items() if each.startswith(f"{one}/")}
    rest = {each: data for each, data in files.items() if not each.startswith((f"{one}/", f"{other}/"))}
    return rest | {f"{other}/{each}": data for each, data in folder.items()} if one != other else rest


def other_bundle(chance: random.Random, files: Files, name: str) -> bytes | None:
    """The file as it is in the other bundle."""
    return next((each[name] for each in BUNDLES if name in each and each[name] != files[name]), None)


MUTATORS: Mapping[str, Mutator] = {
    "bit": flip_bit,
    "digit": other_character(b"0123456789"),
    "hex": other_character(b"0123456789abcdefABCDEF"),
    "letter": other_character(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/="),
    "mark": other_character(b' {}[]:,"\n\\'),
    "deletion": delete_bytes,
    "insertion": insert_byte,
    "truncation": truncate,
    "values": swap_parts,
    "lines": lines_of_file,
    "events": lines_of_events,
    "tail": cut_tail,
    "file": move_file,
    "folder": move_folder,
    "other bundle": other_bundle,
}


def stated(files: Files) -> dict[str, bytes | list[bytes]]:
    """The files, of each checkpoint the lines in any order and once."""
    return {
        name: sorted(set(data.split(b"\n"))) if name.endswith("checkpoint") else data
        for name, data in files.items()
    }  # fmt: skip


def is_accepted(files: Files) -> bool:
    try:
        verify.verify(files, KEYS, 1, KEPT)
    except ValueError:
        return False
    return True


def hunt(seed: int, mutants: int) -> Counter[str]:
    """Tries mutants; how many there were of each mutator and of each file."""
    chance, tried = random.Random(seed), Counter[str]()
    honest = [stated(files) for files in BUNDLES]
    while tried.total() < 2 * mutants:
        files = chance.choice(BUNDLES)
        name, kind = chance.choice(sorted(files)), chance.choice(sorted(MUTATORS))
        made = MUTATORS[kind](chance, files, name) if files[name] else None
        mutant = {**files, name: made} if isinstance(made, bytes) else made
        if mutant is None or stated(mutant) in honest:
            continue
        assert not is_accepted(mutant), f"seed {seed}, mutant {tried.total() // 2}: {kind} of {name} was accepted"
        tried.update((kind, name))
    return tried


def test_the_bundles_that_are_mutated_are_accepted() -> None:
    assert all(is_accepted(files) for files in BUNDLES)


def test_no_mutant_is_accepted() -> None:
    tried = hunt(SEED, 2_000)

    assert set(MUTATORS) <= set(tried)
    assert set().union(*BUNDLES) <= set(tried)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_none_of_very_many_mutants_is_accepted(part: int) -> None:
    assert hunt(SEED + 1 + part, 10_000).total() >= 20_000


def test_every_single_byte_of_the_smaller_files_counts() -> None:
    files = BUNDLES[0]
    for name in ("bundle.json", "notifications/checkpoint"):
        for at in range(len(files[name])):
            data = bytearray(files[name])
            data[at] ^= 1
            assert not is_accepted({**files, name: bytes(data)}), f"byte {at} of {name}"


def test_an_altered_zip_says_the_same_or_is_refused(tmp_path: Path) -> None:
    chance, whole = random.Random(SEED), bundle.pack(BUNDLES[0])
    file = tmp_path / "bundle.zip"
    refused = 0
    for number in range(1_500):
        mutator = (flip_bit, delete_bytes, insert_byte, truncate)[number % 4]
        mutant = mutator(chance, {"zip": whole}, "zip")
        if number % 3 == 0:
            # The directory at the end is where most of the bytes that name things are.
            at = chance.randrange(len(whole) - 2_000, len(whole))
            mutant = whole[:at] + bytes([chance.randrange(256)]) + whole[at + 1 :]
        assert isinstance(mutant, bytes)
        file.write_bytes(mutant)
        try:
            files = verify.read(file)
        except ValueError:
            refused += 1
            continue
        assert statements(files) == BUNDLES[0] or not is_accepted(files), f"mutant {number} of seed {SEED}"
    assert refused > 500


def zipped(tmp_path: Path, *entries: tuple[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, packing)
    file = tmp_path / "bundle.zip"
    file.write_bytes(content.getvalue())
    return file


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    state = ("state.json", b"{}")
    for name in ("../state.json", "/state.json", "state.json/", "STATE.JSON", "customer/verify.py", "a/b/heads.json"):
        with pytest.raises(ValueError, match="twice or unknown"):
            verify.read(zipped(tmp_path, state, (name, b"{}")))
    with pytest.raises(ValueError, match="twice or unknown"):
        verify.read(zipped(tmp_path, state, state))
    with pytest.raises(ValueError, match="another way"):
        verify.read(zipped(tmp_path, state, packing=zipfile.ZIP_LZMA))


def test_a_zip_that_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "LIMIT", 10_000)
    with pytest.raises(ValueError, match="more than 10000 bytes"):
        verify.read(zipped(tmp_path, ("keys.json", bytes(6_000)), ("state.json", bytes(6_000))))


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    for content in (b"", b"PK", b"\x00" * 100):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="zip"):
            verify.read(file)
