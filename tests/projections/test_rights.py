"""What views tell of a person's rights: what was rectified holds, and restrictions and objections show."""

from datetime import timedelta
from typing import Any

import msgspec

from services.projections.fold import fold_all
from services.projections.views.customer import CUSTOMER
from services.projections.views.directory import DIRECTORY, name_of
from services.projections.views.golden import golden
from shared.events import customer as says
from shared.events.envelope import Contract
from shared.events.identity import Linked, Move
from tests.support.events import START, History, an_id, customer_registered

ANN, AGAIN = sorted((an_id("ann"), an_id("again")))
ONE = Linked(a=ANN, b=AGAIN, evidence=(), decided_by="r", moves=(Move(customer=AGAIN, identity=ANN),))


def views(history: History) -> tuple[dict[str, Any], dict[str, Any]]:
    """The documents of ANN in the views `customer` and `directory`."""
    folded = fold_all(history.events, [CUSTOMER, DIRECTORY])
    return folded["customer"][ANN], folded["directory"][ANN]


def corrected(history: History, customer: str, event: Contract) -> History:
    """The person asked for this correction."""
    history.tell(customer, event)
    history.events[-1] = msgspec.structs.replace(history.events[-1], purpose="rectification")
    return history


def named(full: str) -> says.NameCorrected:
    return says.NameCorrected(name=says.Name(full=full), reason="asked")


def test_what_the_person_corrected_holds_against_whatever_a_source_says_later() -> None:
    history = corrected(History().tell(ANN, customer_registered("Wrong Name")), ANN, named("Right Name"))
    history.tell(AGAIN, customer_registered("Wrong Name"), ONE, at=START + timedelta(days=9))

    customer, directory = views(history)

    chosen = golden(customer["members"])["name"]
    assert (chosen["member"], chosen["event"], chosen["why"]) == (ANN, history.events[1].id, "verified")
    assert name_of(directory) == "Right Name"
    assert customer["members"][0]["name"]["rectified"]


def test_without_that_purpose_the_newest_holds() -> None:
    history = History().tell(ANN, customer_registered("Old Name"), named("Older Name"))
    history.tell(AGAIN, customer_registered("New Name"), ONE, at=START + timedelta(days=9))

    customer, directory = views(history)

    assert golden(customer["members"])["name"]["member"] == AGAIN
    assert name_of(directory) == "New Name"


def test_a_later_change_at_the_same_customer_ends_a_rectification() -> None:
    history = corrected(
        History().tell(ANN, customer_registered("Wrong")), ANN, says.BirthDateSet(birth_date="1990-01-01")
    )
    history.tell(ANN, says.BirthDateSet(birth_date="1991-01-01"))

    (member,) = views(history)[0]["members"]

    assert "rectified" not in member["birth_date"]
    assert member["birth_date"]["event"] == history.events[-1].id


def test_restrictions_and_objections_show_until_they_end() -> None:
    history = History().tell(ANN, customer_registered(), says.ProcessingRestricted(reason="contested"))
    history.tell(ANN, says.ObjectionRaised(purpose="marketing"), says.ObjectionRaised(purpose="customer_care"))
    customer, directory = views(history)
    (member,) = customer["members"]
    assert (member["restricted"], member["objections"], member["version"]) == (True, ["customer_care", "marketing"], 4)
    assert directory["restricted"] is True

    history.tell(ANN, says.RestrictionLifted(reason="verified"), says.ObjectionWithdrawn(purpose="marketing"))
    customer, directory = views(history)

    (member,) = customer["members"]
    assert (member["restricted"], member["objections"], member["version"]) == (False, ["customer_care"], 6)
    assert directory["restricted"] is False


def test_a_person_is_restricted_if_one_of_its_customers_is() -> None:
    history = History().tell(ANN, customer_registered()).tell(AGAIN, customer_registered(), ONE)
    history.tell(AGAIN, says.ProcessingRestricted(reason="contested"))

    assert views(history)[1]["restricted"] is True
