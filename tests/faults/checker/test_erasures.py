"""I9 of who was erased: a run with erasures is green, and each thing that may go wrong with one is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.events import customer as told
from shared.events.envelope import Recorded
from shared.ids import derive
from tests.faults.checker.evidence import Erasures, Evidence, Fault
from tests.faults.checker.examples import ADA, BOB, CY, altered, answer_of, evidence_of, whole
from tests.faults.checker.reading import held_in
from tests.faults.checker.sources.leaks import marks_in
from tests.faults.checker.test_invariants import red
from tests.support.events import History, customer_registered, erased

STEPS = (told.ErasureRequested(reason="asked"), told.ErasureApproved(), told.CustomerErased())


def history(*steps: object, who: str = CY) -> list[Recorded]:
    """The events of `whole`, and those of an erasure."""
    run = [row.event for rows in whole().logs.values() for row in rows if row.event is not None]
    positions = max(event.position or 0 for event in run if event.log == "customer")
    tail = History().tell(who, customer_registered("before"), *steps).events[1:]  # type: ignore[arg-type]
    return run + [
        altered(
            event,
            position=positions + number,
            id=derive("event", "erasure", str(number)),
            command=derive("command", "erasure", str(number)),
        )
        for number, event in enumerate(tail, start=1)
    ]


def run_with(*steps: object, ledger: bool = True, key: bool = False, left: tuple[str, ...] = ()) -> Evidence:
    """A run in which CY was erased so far."""
    events = erased(history(*steps), CY) if not key else history(*steps)
    found = Erasures(
        frozenset({CY} if ledger else ()), frozenset({ADA, BOB, *({CY} if key else ())}), {"a view": frozenset(left)}
    )
    run = evidence_of(events)
    # What is read is asked for in another test; here nobody asked for CY.
    return replace(run, erasures=found, answers={ADA: answer_of(ADA)})


def test_a_run_in_which_somebody_was_erased_is_green() -> None:
    assert red(run_with(*STEPS)) == {}
    assert red(run_with(*STEPS, left=(ADA,))) == {}


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (lambda: run_with(*STEPS[:2], ledger=True), "was approved and is not carried out"),
        (lambda: run_with(*STEPS, ledger=False), "erased and not in the ledger"),
        (lambda: run_with(*STEPS, key=True), "erased and has a key"),
        (lambda: run_with(*STEPS, key=True), "can be read"),
        (lambda: run_with(*STEPS, left=(CY,)), "a view holds something of it"),
        (run_with, "in the ledger, the log does not say so"),
        (lambda: run_with(*STEPS, told.CustomerErased()), "was erased 2 times"),
        (lambda: run_with(STEPS[0], STEPS[2]), "Nobody approved"),
        (lambda: evidence_of(erased(history(), CY)), "reads as erased, and nobody erased"),
    ],
)
def test_what_goes_wrong_with_an_erasure_breaks_i9(run: Callable[[], Evidence], sentence: str) -> None:
    assert any(sentence in violation for violation in red(run())["I9"])


def test_after_a_restored_backup_an_erasure_may_be_said_without_its_approval() -> None:
    restored = Fault(1, 1.0, "restore", "postgres", "end", {"backup_at": 0.0, "restored_at": 1e9})

    assert not any("Nobody approved" in it for it in red(replace(run_with(STEPS[2]), faults=[restored])).get("I9", []))


def test_what_documents_hold_of_whom_is_found_wherever_it_is() -> None:
    sealed = {"deep": [{"subject": ADA, "ct": "x"}, {"subject": BOB, "ct": ""}]}
    member = {"members": [{"customer": CY, "name": "Cy", "words": []}, {"customer": BOB, "name": None, "words": []}]}

    assert held_in([sealed, member]) == {ADA, CY}
    assert held_in([{"members": [{"customer": BOB, "words": [], "phones": {"c": "321"}}]}]) == {BOB}


def test_a_mark_in_mongodb_that_nobody_who_lives_has_breaks_i9() -> None:
    named = [
        altered(event, data=event.data.model_copy(update={"name": told.Name(full=f"AbcCanaryname{n:06}")}))
        if event.type == "customer.registered"
        else event
        for n, event in enumerate(history(*STEPS))
    ]
    run = replace(run_with(*STEPS), logs=evidence_of(erased(named, CY)).logs)
    living, gone = ({"canaryname000000"}, {"canaryname000002"})

    assert not any("nobody who lives" in it for it in red(replace(run, marks={"v": frozenset(living)})).get("I9", []))
    assert red(replace(run, marks={"v": frozenset(living | gone)}))["I9"] == [
        "The collection v holds canaryname000002, and nobody who lives has it."
    ]


def test_marks_are_found_as_they_are_typed_folded_or_taken_for_digits() -> None:
    text = b"AbcCanaryname000123 canary.mail000124@x CANARY-ID-00000125 +61499000126 canaryname0001 canary-id-000001"
    found = {"canaryname000123", "canary.mail000124", "canary-id-00000125", "61499000126"}
    assert marks_in(text) == found
