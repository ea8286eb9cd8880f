"""A table of words is written as one text."""


def words(text: str) -> tuple[str, ...]:
    """The words between spaces."""
    return tuple(text.split())
