"""What a judge found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """How much was looked at, and one sentence per violation: ids, positions and keys, never personal data.

    `why` says why nothing was judged; figures are counts worth telling whatever the verdict is.
    """

    checked: int = 0
    violations: Sequence[str] = ()
    why: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool | None:
        """None if it was not judged."""
        if self.violations:
            return False
        return None if self.why else True

    def as_json(self) -> dict[str, Any]:
        """The first SHOWN violations and the number of all."""
        told: dict[str, Any] = {"ok": self.ok, "checked": self.checked, "violations": list(self.violations[:SHOWN])}
        if len(self.violations) > SHOWN:
            told["violations_in_all"] = len(self.violations)
        if self.why:
            told["why"] = self.why
        return told


def together(*findings: Finding) -> Finding:
    """Several parts of one invariant as one finding."""
    return Finding(
        sum(finding.checked for finding in findings),
        [violation for finding in findings for violation in finding.violations],
        next((finding.why for finding in findings if finding.why), None),
        {name: value for finding in findings for name, value in finding.figures.items()},
    )
