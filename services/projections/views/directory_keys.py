"""What an identity is found by in the view `directory`: keys, and the filters that look for them."""

import re
import unicodedata
from enum import StrEnum

from services.projections.views.view import Document, Filter

PHONE_DIGITS = 6


class Key(StrEnum):
    """What a key of a document is: the text before its value."""

    CUSTOMER = "i:"
    NUMBER = "n:"
    WORD = "w:"
    END = "e:"
    PHONE = "p:"
    CLASS = "c:"


# Plain text: formatting a member of an enumeration costs ten times as much.
_CUSTOMER, _NUMBER, _WORDS, _ENDS, _PHONE, _CLASS = (key.value for key in Key)
_WORD = re.compile(r"\w+")
_FIRST_IDEOGRAPH = "\u2e80"
_LONGEST_SUFFIXED = 12
_LONGEST_ENDED = 40
_SHORTEST_END = 2


def search(
    *,
    number: str | None = None,
    name: str | None = None,
    phone: str | None = None,
    classified: str | None = None,
    inside_words: bool = False,
) -> Filter:
    """Filter of the identities that have all of: the number, the name fragments, the last phone digits, the class.

    A name fragment finds words that begin with it; with `inside_words` also words that hold it further on, if it has
    two letters. Several fragments have to be found each.
    """
    wanted: list[Filter] = []
    if number is not None:
        wanted.append({"keys": f"{Key.NUMBER}{number}"})
    if name is not None:
        words = _WORD.findall(fold_case(name))
        wanted += [_beginning_with(word, inside_words=inside_words) for word in words]
    if phone is not None:
        digits = last_digits(phone)
        wanted.append({"keys": {"$regex": f"^{Key.PHONE}{digits}"}})
    if classified is not None:
        wanted.append({"keys": f"{Key.CLASS}{classified}"})
    return {"$and": wanted} if wanted else {}


def _beginning_with(word: str, *, inside_words: bool) -> Filter:
    begins: Filter = {"keys": {"$regex": f"^{Key.WORD}{re.escape(word)}"}}
    if not inside_words:
        return begins
    return {"$or": [begins, {"keys": {"$regex": f"^{Key.END}{re.escape(word)}"}}]}


def fold_case(text: str) -> str:
    """The text as it is compared: compatibility forms composed, case folded."""
    return unicodedata.normalize("NFKC", text).casefold()


def name_words(text: str) -> list[str]:
    """What a name is found by. In scripts without spaces every end of a word counts as a word."""
    words = set(_WORD.findall(fold_case(text)))
    for word in list(words):
        if word[0] >= _FIRST_IDEOGRAPH and len(word) <= _LONGEST_SUFFIXED:
            words.update(word[start:] for start in range(1, len(word)))
    return sorted(words)


def word_ends(word: str) -> list[str]:
    """What a word is found by that somebody knows no beginning of; the ends that `name_words` gives are words already.

    A search inside words that read every document took seconds with a hundred thousand (measured).
    """
    if word[0] >= _FIRST_IDEOGRAPH or len(word) > _LONGEST_ENDED:
        return []
    return [word[start:] for start in range(1, len(word) - _SHORTEST_END + 1)]


def last_digits(text: str) -> str:
    """The last digits of a phone number, reversed."""
    return "".join(char for char in reversed(text) if char in "0123456789")[:PHONE_DIGITS]


def member_numbers(member: Document) -> list[str]:
    """The number and the aliases of a member."""
    aliases: list[str] = member["aliases"]
    number: str | None = member["number"]
    return aliases if number is None else [number, *aliases]


def member_classes(member: Document) -> list[str]:
    """The classification of a member as "<scheme>:<code>", and its tags."""
    return [*(f"{scheme}:{code}" for scheme, code in member["classification"].items()), *member["tags"]]


def keys_of(members: list[Document]) -> list[str]:
    """Whatever an identity is found by, sorted."""
    keys: set[str] = set()
    for member in members:
        keys.add(f"{_CUSTOMER}{member['customer']}")
        keys.update([f"{_NUMBER}{number}" for number in member_numbers(member)])
        keys.update([f"{_WORDS}{word}" for word in member["words"]])
        keys.update([f"{_ENDS}{end}" for word in member["words"] for end in word_ends(word)])
        keys.update([f"{_PHONE}{digits}" for digits in member["phones"].values()])
        keys.update([f"{_CLASS}{classified}" for classified in member_classes(member)])
    return sorted(keys)
