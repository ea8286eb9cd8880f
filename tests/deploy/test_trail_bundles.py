"""What a bundle that leaves shows of whom, as the access log is told."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from deploy.trail.bundles import contents
from shared.audit import bundle
from tests.support.audited import ADA, BEA, HONEST, KEYS_OF


def made(keys: Mapping[str, bytes] | None) -> bytes:
    return bundle.make(ADA, [ADA, BEA], HONEST, keys=keys)


def sealed_fields(subject: str) -> set[str]:
    """All that any record of any log keeps sealed of a subject."""
    found: set[str] = set()
    for snapshot in HONEST.values():
        for _, stored in snapshot.records([ADA, BEA]):
            part = orjson.loads(stored)["sealed"].get(subject)
            found |= set(part["fields"]) if part else set()
    return found


def test_a_bundle_without_keys_opens_nothing_and_has_every_record() -> None:
    files = bundle.files(ADA, [ADA, BEA], HONEST)
    records = sum(len(content.splitlines()) for name, content in files.items() if name.endswith("/inclusion.jsonl"))

    assert contents(made(None)) == (records, None)
    assert records > 10


def test_a_bundle_with_keys_opens_the_fields_of_everybody_who_has_a_key() -> None:
    _, opened = contents(made(KEYS_OF))

    assert opened == {ADA: sealed_fields(ADA), BEA: sealed_fields(BEA)}
    assert "name" in sealed_fields(BEA)


def test_of_an_erased_subject_it_opens_nothing() -> None:
    _, opened = contents(made({ADA: KEYS_OF[ADA]}))

    assert opened == {ADA: sealed_fields(ADA)}
