"""Given events, then the document of the identity."""

from datetime import timedelta
from typing import Any

from services.projections.fold import fold_all
from services.projections.views.customer import CUSTOMER
from services.projections.views.golden import golden
from shared.events import customer as says
from shared.events.envelope import ERASED
from shared.events.identity import AliasAdded, Linked, Move, NumberAssigned, Separated
from tests.support.events import START, History, an_id, customer_registered, erased

ANN, BEN = sorted((an_id("ann"), an_id("ben")))
PHONE = "+4930123456"


def documents(history: History) -> dict[str, Any]:
    return fold_all(history.events, [CUSTOMER])["customer"]


def linked(*moves: tuple[str, str]) -> Linked:
    return Linked(
        a=ANN,
        b=BEN,
        evidence=("phone",),
        decided_by="rule",
        moves=tuple(Move(customer=c, identity=i) for c, i in moves),
    )


def test_a_registration_becomes_an_identity_of_one_member() -> None:
    history = History().tell(ANN, customer_registered("Ada", PHONE, external_id="7", tags=("vip", "a")))
    document = documents(history)[ANN]
    (member,) = document["members"]
    assert member["customer"] == ANN
    assert member["source"] == "crm"
    assert member["external_id"] == "7"
    assert member["version"] == 1
    assert member["tags"] == ["a", "vip"]
    assert member["contacts"][an_id(PHONE)]["state"] == "added"
    assert golden(document["members"])["name"] == {
        "member": ANN,
        "source": "crm",
        "event": history.events[0].id,
        "at": history.events[0].occurred_at,
        "why": "only value",
        "others": [],
    }


def test_no_value_of_a_sealed_field_stands_in_the_open() -> None:
    history = History().tell(
        ANN,
        customer_registered("Secretname", "+4930999888", birth_date="1990-02-03"),
        says.PreferenceNoted(topic="food", value="Secretname", source="call"),
        says.ExtensionFieldSet(field="shoe", value="Secretname"),
        says.IdentifierAdded(identifier=says.Identifier(type="tax", value="Secretname")),
    )
    text = repr(documents(history))
    assert "Secretname" not in text
    assert "999888" not in text
    assert "1990" not in text


def test_a_sealed_part_stays_only_while_a_field_refers_to_it() -> None:
    history = History().tell(
        ANN,
        customer_registered("Ada"),
        says.NameCorrected(name=says.Name(full="Ada B")),
        says.NameCorrected(name=says.Name(full="Ada C")),
    )
    (member,) = documents(history)[ANN]["members"]
    assert [part["event"] for part in member["sealed"]] == [history.events[2].id]
    assert member["name"]["event"] == history.events[2].id
    assert member["version"] == 3


def test_a_removed_contact_point_leaves_no_sealed_part() -> None:
    contact = an_id("c")
    history = History().tell(
        ANN,
        says.ContactPointAdded(contact_id=contact, kind="email", value="a@b.example"),
        says.ContactPointRemoved(contact_id=contact, reason="wish"),
    )
    (member,) = documents(history)[ANN]["members"]
    assert member["sealed"] == []
    assert member["contacts"][contact]["state"] == "removed"
    assert "email" not in golden(documents(history)[ANN]["members"])


def test_orders_and_tickets_are_summed_up() -> None:
    order, ticket = an_id("order"), an_id("ticket")
    history = History().tell(
        ANN,
        says.OrderPlaced(order_id=order, reference="R1", currency="EUR", total="10.50"),
        says.OrderPlaced(order_id=an_id("o2"), reference="R2", currency="EUR", total="0.5"),
        says.OrderPaid(order_id=order, amount="10.50", method="card"),
        says.TicketOpened(ticket_id=ticket, topic="bill", summary="?"),
        says.TicketOpened(ticket_id=an_id("t2"), topic="bill", summary="?"),
        says.TicketResolved(ticket_id=ticket, resolution="done"),
    )
    (member,) = documents(history)[ANN]["members"]
    assert member["orders"]["totals"] == {"EUR": "11.00"}
    assert member["orders"]["paid"] == 1
    assert member["tickets"]["open"] == [an_id("t2")]
    assert member["version"] == 0


def test_linked_customers_share_one_document_and_separated_ones_get_theirs_back() -> None:
    history = History().tell(ANN, customer_registered("Ann")).tell(BEN, customer_registered("Ben"))
    before = documents(history)
    history.tell(ANN, linked((BEN, ANN)))
    together = documents(history)
    assert set(together) == {ANN}
    assert [member["customer"] for member in together[ANN]["members"]] == [ANN, BEN]
    history.tell(ANN, Separated(a=ANN, b=BEN, reason="wrong", moves=(Move(customer=BEN, identity=BEN),)))
    after = documents(history)
    assert after[ANN] == before[ANN]
    assert golden(after[BEN]["members"]) == golden(before[BEN]["members"])


def test_a_link_may_come_before_the_customers_it_links() -> None:
    history = History().tell(ANN, linked((BEN, ANN)), NumberAssigned(number="K-1", rule="r1", serial=1))
    history.tell(BEN, customer_registered("Ben"), AliasAdded(alias="old-1", kind="foreign"))
    history.tell(ANN, customer_registered("Ann"))
    document = documents(history)[ANN]
    assert [member["registered_at"] is not None for member in document["members"]] == [True, True]
    assert golden(document["members"])["number"]["member"] == ANN


def test_the_verified_contact_wins_then_the_most_recent_value_and_an_archived_member_loses() -> None:
    history = History().tell(ANN, customer_registered("Ann", "+4930000001"))
    history.tell(BEN, customer_registered("Ben", "+4930000002"))
    history.tell(ANN, linked((BEN, ANN)), says.ContactPointVerified(contact_id=an_id("+4930000001"), method="call"))
    record = golden(documents(history)[ANN]["members"])
    assert (record["phone"]["member"], record["phone"]["why"]) == (ANN, "verified")
    assert record["phone"]["contact"] == an_id("+4930000001")
    assert (record["name"]["member"], record["name"]["why"]) == (BEN, "most recent")
    history.tell(BEN, says.CustomerArchived(reason="moved"))
    assert golden(documents(history)[ANN]["members"])["name"]["why"] == "active member"


def test_of_values_of_the_same_time_the_oldest_members_holds() -> None:
    history = History().tell(BEN, customer_registered("Ben"), at=START).tell(ANN, customer_registered("Ann"), at=START)
    history.tell(ANN, linked((BEN, ANN)))
    name = golden(documents(history)[ANN]["members"])["name"]
    assert (name["member"], name["why"]) == (ANN, "oldest member")


def test_a_back_filled_value_does_not_win() -> None:
    history = History().tell(ANN, customer_registered("Ann"))
    history.tell(BEN, customer_registered("Ben"), at=START - timedelta(days=900))
    history.tell(ANN, linked((BEN, ANN)))
    assert golden(documents(history)[ANN]["members"])["name"]["member"] == ANN


def test_an_erased_registration_is_a_normal_value() -> None:
    history = History().tell(ANN, customer_registered("Ann", PHONE, birth_date=ERASED))
    (member,) = fold_all(erased(history.events, ANN), [CUSTOMER])["customer"][ANN]["members"]
    assert member["name"]["event"] == history.events[0].id
    assert member["contacts"] == {}
    assert member["sealed"] == []


def test_consents_and_relationships_are_kept_as_they_stand() -> None:
    history = History().tell(
        ANN,
        says.ConsentGiven(purpose="news", channel="mail", text_version="3"),
        says.ConsentWithdrawn(purpose="news", channel="mail"),
        says.ConsentWithdrawn(purpose="news", channel="phone"),
        says.RelationshipAdded(relationship_id=an_id("r"), other=BEN, role="parent"),
    )
    (member,) = documents(history)[ANN]["members"]
    assert member["consents"]["news/mail"]["given"] is False
    assert member["consents"]["news/mail"]["text_version"] == "3"
    assert member["consents"]["news/phone"]["text_version"] is None
    assert member["relationships"][an_id("r")]["role"] == "parent"
