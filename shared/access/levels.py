"""The four levels of a field: how much harm its disclosure does, and so who may see it and whether it is sealed."""

from enum import StrEnum


class Level(StrEnum):
    """Level of one field of a contract, from harmless to most protected. Every field carries exactly one."""

    GENERAL = "general"
    BUSINESS = "business"
    SENSITIVE = "sensitive"
    CORE = "core"

    @property
    def sealed(self) -> bool:
        """True if a field of this level is stored encrypted with its subject's key."""
        return self in (Level.SENSITIVE, Level.CORE)
