import os
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import ids
from shared.ids import derive, is_uuid, timestamp_of, uuid7


def test_ids_are_version_7_of_the_standard_and_carry_their_time() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = uuid7()

    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (7, uuid.RFC_4122)
    assert before <= timestamp_of(made) <= datetime.now(UTC) + timedelta(seconds=1)


def test_ids_of_one_process_only_grow() -> None:
    made = [uuid7() for _ in range(20_000)]

    assert made == sorted(set(made))


def test_ids_go_on_growing_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = uuid7()
    monkeypatch.setattr("shared.ids.time.time_ns", lambda: 0)

    assert before < uuid7() < uuid7()


def test_threads_never_get_the_same_id() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([uuid7() for _ in range(2000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 8000


def test_a_forked_process_never_gets_the_ids_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr("shared.ids.time.time_ns", lambda: now)
    uuid7()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, uuid7().encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reads, 36).decode() != uuid7()
    os.close(reads)
    os.close(writes)


def test_only_version_7_has_a_time() -> None:
    with pytest.raises(ValueError, match="version 7"):
        timestamp_of(derive("a"))


@given(st.lists(st.text(max_size=6), max_size=4), st.lists(st.text(max_size=6), max_size=4))
def test_derived_ids_are_the_same_exactly_for_the_same_parts(left: list[str], right: list[str]) -> None:
    assert (derive(*left) == derive(*right)) == (left == right)


def test_derived_ids_never_change() -> None:
    assert derive("rule", "birthday") == "cdf7e729-0366-51a6-aa43-50416eb06cb0"


@pytest.mark.parametrize("text", ["", "0199A1B2-0000-7000-8000-000000000001", "{0199a1b2}", "0" * 32, "g" * 36])
def test_only_the_canonical_form_is_a_uuid(text: str) -> None:
    assert not is_uuid(text)
    assert is_uuid(uuid7())


@given(st.lists(st.text(), max_size=4))
def test_a_derived_id_is_the_uuid_version_5_that_the_standard_library_makes(parts: list[str]) -> None:
    name = "".join(f"{len(part)}:{part}" for part in parts)

    assert derive(*parts) == str(uuid.uuid5(ids._NAMESPACE, name))
