"""How good a clustering of a file is, as a whole and by segment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from deploy.embedded.errors import EmbeddedError
from deploy.matching.matching import Matched
from deploy.matching.records import Records
from services.identity.matching.blocks import candidates, keyed
from services.identity.matching.evaluate import Clusters, Quality, pair_scores, quality, reached, within
from services.identity.matching.record import Normal, Raw

_HAN = ("\u3400", "\u9fff")


def judged(records: Records, truth: Clusters, clusters: Clusters, matched: Matched | None) -> dict[str, Any]:
    """The figures of a clustering over the records that the truth knows; with a run of ours, those of its pairs too.

    Raises EmbeddedError if no record of the file is in the truth.
    """
    known = {record: truth[record] for record in records.ids if record in truth}
    if not known:
        raise EmbeddedError(f"No id of {records.name} is in the truth: are they the files of one set?")
    whole = quality(clusters, known)
    answer: dict[str, Any] = {
        "records": whole.records,
        "without_truth": len(records.ids) - len(known),
        **_told(whole),
        "intervals_95": {name: [_round(low), _round(high)] for name, (low, high) in whole.intervals.items()},
    }
    if matched is not None:
        model = matched.resolution.model
        merged = [(a, b) for a, b, weight in matched.resolution.pairs if weight >= model.merge]
        pairs = pair_scores(merged, known)
        answer["pairs"] = {name: _round(getattr(pairs, name)) for name in ("precision", "recall", "f1")}
        answer["review_pairs"] = sum(matched.decision(a, b) == "review" for a, b, _ in matched.resolution.pairs)
        answer["blocking_recall"] = _round(_blocking(records, known, matched))
    answer["segments"] = {
        name: {segment: _told(within(clusters, known, ids)) for segment, ids in sorted(parts.items())}
        for name, parts in _segments(records, known).items()
    }
    return answer


def _told(found: Quality) -> dict[str, Any]:
    return {
        "true_pairs": found.true_pairs,
        "found_pairs": found.found_pairs,
        "closure": {name: _round(getattr(found.closure, name)) for name in ("precision", "recall", "f1")},
        "bcubed": {name: _round(getattr(found.bcubed, name)) for name in ("precision", "recall", "f1")},
        "exact_clusters": _round(found.exact),
        "clusters": found.clusters,
        "true_clusters": found.true_clusters,
        "largest": found.largest,
        "true_largest": found.true_largest,
    }


def _round(share: float) -> float:
    return round(share, 5)


def _blocking(records: Records, known: Clusters, matched: Matched) -> float:
    """The share of true pairs that shared a key, as the run compared them: in the order of ids."""
    rows = sorted(records.items, key=lambda row: row[0])
    model = matched.resolution.model
    found = candidates(keyed((normal for _, normal in rows)), len(rows), model)
    pairs = ((rows[a][0], rows[b][0]) for a, b in zip(found.left.tolist(), found.right.tolist(), strict=True))
    return reached(pairs, known)


def _segments(records: Records, known: Clusters) -> Mapping[str, Mapping[str, list[str]]]:
    """The records by kind, script and source. A segment of everything says nothing new and is left out."""
    found: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in _SEGMENTS}
    for place, record in enumerate(records.ids):
        if record in known:
            for name, segment in _SEGMENTS.items():
                found[name][segment(records, place)].append(record)
    return {name: parts for name, parts in found.items() if len(parts) > 1}


def _kind(normal: Normal) -> str:
    return normal.kind or ("org" if normal.companies and not normal.names else "unknown")


def _script(raw: Raw) -> str:
    """han, latin or other, by the names."""
    letters = [c for c in f"{raw.full}{raw.given}{raw.family}{raw.company}"[:200] if c.isalpha()]
    if any(_HAN[0] <= c <= _HAN[1] for c in letters):
        return "han"
    return "latin" if all(ord(c) < 0x250 or 0x1E00 <= ord(c) < 0x1F00 for c in letters) else "other"


_SEGMENTS: Mapping[str, Callable[[Records, int], str]] = {
    "kind": lambda records, place: _kind(records.items[place][1]),
    "script": lambda records, place: _script(records.raws[place]),
    "source": lambda records, place: records.sources[place] or "none",
}
