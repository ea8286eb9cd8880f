"""What was erased stays erased: the file that says so, and what is done with it before anybody is served."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.ids import uuid7
from shared.privacy.ledger import Ledger, LedgerDamaged
from shared.process import keep_erased
from shared.settings import Settings
from tests.support.given import NOW
from tests.support.memory_log import MemoryKeyring


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "erasures"


def test_a_ledger_nobody_wrote_to_names_nobody(file: Path) -> None:
    assert list(Ledger(file).subjects()) == []
    assert not file.exists()


def test_everybody_stands_in_it_once_in_the_order_of_the_erasures(file: Path) -> None:
    ann, ben = uuid7(), uuid7()

    assert [Ledger(file).add(subject, NOW) for subject in (ann, ben, ann)] == [True, True, False]

    assert list(Ledger(file).subjects()) == [ann, ben]
    assert file.read_text() == f"{ann} 2026-11-22T09:00:00.000000Z\n{ben} 2026-11-22T09:00:00.000000Z\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_a_crash_left_of_a_line_says_nothing_and_is_written_over(file: Path) -> None:
    ann, ben = uuid7(), uuid7()
    Ledger(file).add(ann, NOW)
    whole = file.read_bytes()
    for torn in (ben[:5], ben, f"{ben} 2026"):
        file.write_bytes(whole + torn.encode())
        assert list(Ledger(file).subjects()) == [ann]

        assert Ledger(file).add(ben, NOW)

        assert list(Ledger(file).subjects()) == [ann, ben]


@pytest.mark.parametrize("line", ["", "nobody", "0199f3a0-0000-7000-8000-00000000000", f"{uuid7()}", f"{uuid7()} Ann"])
def test_a_line_that_is_no_entry_stops_whoever_reads_it(file: Path, line: str) -> None:
    Ledger(file).add(uuid7(), NOW)
    file.write_text(f"{file.read_text()}{line}\n")

    for use in (Ledger(file).subjects, lambda: Ledger(file).add(uuid7(), NOW)):
        with pytest.raises(LedgerDamaged, match="line 2 of"):
            use()


def test_several_who_write_at_once_lose_nothing(file: Path) -> None:
    subjects = [uuid7() for _ in range(40)]

    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda subject: Ledger(file).add(subject, NOW), subjects * 2))

    assert sum(added) == len(subjects)
    assert sorted(Ledger(file).subjects()) == sorted(subjects)


def test_before_serving_everybody_in_it_has_no_key_and_never_gets_one(file: Path) -> None:
    keyring, gone, unknown, stays = MemoryKeyring(), uuid7(), uuid7(), uuid7()
    keyring.ensure([gone, stays])
    for subject in (gone, unknown):
        Ledger(file).add(subject, NOW)

    keep_erased(keyring, Settings(service="customer", erasures=file))

    assert keyring.ensure([gone, unknown, stays]).keys() == {stays}
    assert Ledger(file).apply(keyring) == 0


def test_without_a_ledger_nothing_is_done_at_the_start() -> None:
    keyring = MemoryKeyring()
    keep_erased(keyring, Settings(service="customer"))
    assert keyring.ensure([subject := uuid7()]).keys() == {subject}
