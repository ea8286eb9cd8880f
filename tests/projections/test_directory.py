"""Given events, then what an identity is found by."""

from typing import Any

import pytest

from services.projections.fold import fold_all
from services.projections.views.directory import DIRECTORY, name_of
from services.projections.views.directory_keys import Key, name_words, search, word_ends
from shared.events import customer as says
from shared.events.identity import AliasAdded, Linked, Move, NumberAssigned
from tests.support.events import History, an_id, customer_registered

ANN, BEN = sorted((an_id("ann"), an_id("ben")))


def documents(history: History) -> dict[str, Any]:
    return fold_all(history.events, [DIRECTORY])["directory"]


def keys(document: dict[str, Any], kind: Key) -> list[str]:
    return [key.removeprefix(kind) for key in document["keys"] if key.startswith(kind)]


def test_an_identity_is_found_by_what_any_of_its_members_says() -> None:
    history = History().tell(
        ANN, customer_registered("Ann Müller", "+49 30 123456", classification={"segment": "gold"})
    )
    history.tell(BEN, customer_registered("Anna Mueller", "+49 30 987654", tags=("vip",), source="web"))
    history.tell(ANN, NumberAssigned(number="K-1", rule="r", serial=1), AliasAdded(alias="A-9", kind="foreign"))
    history.tell(BEN, NumberAssigned(number="K-2", rule="r", serial=2))
    move = Move(customer=BEN, identity=ANN)
    history.tell(BEN, Linked(a=ANN, b=BEN, evidence=("x",), decided_by="rule", moves=(move,)))
    document = documents(history)[ANN]
    assert name_of(document) == "Anna Mueller"
    assert keys(document, Key.NUMBER) == ["A-9", "K-1", "K-2"]
    assert keys(document, Key.WORD) == ["ann", "anna", "mueller", "müller"]
    assert keys(document, Key.PHONE) == ["456789", "654321"]
    assert keys(document, Key.CLASS) == ["segment:gold", "vip"]
    assert keys(document, Key.CUSTOMER) == [ANN, BEN]
    assert document["archived"] is False


def test_only_the_last_digits_of_a_phone_stand_here() -> None:
    history = History().tell(ANN, customer_registered("Ann", "+49301234567890"))
    assert "1234567890" not in repr(documents(history))
    assert keys(documents(history)[ANN], Key.PHONE) == ["098765"]


def test_a_removed_phone_and_an_old_name_are_not_found_any_more() -> None:
    phone = "+4930123456"
    history = History().tell(ANN, customer_registered("Ann Old", phone))
    history.tell(ANN, says.ContactPointRemoved(contact_id=an_id(phone), reason="wish"))
    history.tell(ANN, says.NameCorrected(name=says.Name(full="Ann New")), says.CustomerArchived(reason="gone"))
    document = documents(history)[ANN]
    assert keys(document, Key.PHONE) == []
    assert keys(document, Key.WORD) == ["ann", "new"]
    assert document["archived"] is True


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Jean-Luc O'Neil", ["jean", "luc", "neil", "o"]),
        ("STRASSE straße", ["strasse"]),
        ("\uff21\uff22", ["ab"]),
        ("王小明", ["小明", "明", "王小明"]),
    ],
)
def test_a_name_is_found_by_its_folded_words(name: str, words: list[str]) -> None:
    assert name_words(name) == words


def test_a_search_asks_the_database_only_for_anchored_prefixes() -> None:
    assert search(name="Mül.* Ann") == {"$and": [{"keys": {"$regex": "^w:mül"}}, {"keys": {"$regex": "^w:ann"}}]}
    assert search(phone="34-56") == {"$and": [{"keys": {"$regex": "^p:6543"}}]}
    assert search(phone="0049 123456", number="K-1") == {"$and": [{"keys": "n:K-1"}, {"keys": {"$regex": "^p:654321"}}]}
    assert search() == {}


def test_a_word_is_found_by_every_end_of_two_letters_or_more() -> None:
    assert word_ends("smith") == ["mith", "ith", "th"]
    assert word_ends("ng") == word_ends("o") == []
    assert word_ends("王小明") == [], "its ends are words already"
    assert word_ends("a" * 200) == []


def test_the_ends_of_a_name_go_with_it() -> None:
    history = History().tell(ANN, customer_registered("Ann Old"))
    assert keys(documents(history)[ANN], Key.END) == ["ld", "nn"]
    history.tell(ANN, says.NameCorrected(name=says.Name(full="Eva New")))
    assert keys(documents(history)[ANN], Key.END) == ["ew", "va"]


def test_a_search_inside_words_asks_for_anchored_prefixes_too() -> None:
    (wanted,) = search(name="mit", inside_words=True)["$and"]
    assert wanted == {"$or": [{"keys": {"$regex": "^w:mit"}}, {"keys": {"$regex": "^e:mit"}}]}
