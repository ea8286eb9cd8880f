"""One full example of every event version, with invented values that stand out in a search for leaks."""

from __future__ import annotations

from datetime import UTC, date, datetime

from shared.events import access, customer, identity, notifications, numbering, survivorship
from shared.events.envelope import Contract

ID = "0199f3a0-0000-7000-8000-00000000000{}".format
CONTACT, OTHER, THIRD = ID(1), ID(2), ID(3)
NAME = customer.Name(full="Example Person", given="Example", family="Person")
ADDRESS = customer.Address(
    lines=("Example Lane",), street_number="1", locality="Exampleton", region="EX", postcode="00000", country="XX"
)

EXAMPLES: tuple[Contract, ...] = (
    customer.CustomerRegistered(
        kind="person",
        source="crm",
        external_id="crm-1",
        name=NAME,
        birth_date=date(1980, 2, 29),
        contact_points=(
            customer.ContactPoint(contact_id=CONTACT, kind="phone", value="+15550100", raw="555 0100"),
            customer.ContactPoint(contact_id=OTHER, kind="email", value="person@example.org"),
        ),
        address=ADDRESS,
        identifiers=(customer.Identifier(type="social", value="000-00-0000"),),
        classification={"segment": "gold"},
        tags=("vip",),
    ),
    customer.NameCorrected(name=NAME, reason="marriage"),
    customer.BirthDateSet(birth_date=date(1980, 2, 28)),
    customer.ContactPointAdded(contact_id=CONTACT, kind="phone", value="+15550100", raw="555 0100"),
    customer.ContactPointVerified(contact_id=CONTACT, method="sms"),
    customer.ContactPointInvalidated(contact_id=CONTACT, reason="bounced"),
    customer.ContactPointRemoved(contact_id=CONTACT, reason="asked"),
    customer.AddressSet(usage="postal", address=ADDRESS),
    customer.IdentifierAdded(identifier=customer.Identifier(type="tax", value="000")),
    customer.Classified(scheme="segment", code="silver"),
    customer.Tagged(added=("new",), removed=("old",)),
    customer.PreferenceNoted(topic="colour", value="green", source="survey", confidence="0.8"),
    customer.RelationshipAdded(relationship_id=THIRD, other=OTHER, role="parent"),
    customer.RelationshipEnded(relationship_id=THIRD, reason="ended"),
    customer.OwnerAssigned(owner="u1", team="north"),
    customer.ConsentGiven(purpose="marketing", channel="email", text_version="2026-01"),
    customer.ConsentWithdrawn(purpose="marketing", channel="email", reason="asked"),
    customer.ProcessingRestricted(reason="accuracy-contested"),
    customer.RestrictionLifted(reason="accuracy-verified"),
    customer.ObjectionRaised(purpose="marketing", reason="asked"),
    customer.ObjectionWithdrawn(purpose="marketing"),
    customer.ExtensionFieldSet(field="shoe_size", value=43),
    customer.CustomerArchived(reason="inactive"),
    customer.CustomerRestored(reason="returned"),
    customer.ErasureRequested(reason="asked"),
    customer.ErasureRefused(reason="not-the-person"),
    customer.ErasureApproved(),
    customer.CustomerErased(),
    customer.HoldPlaced(hold_id=THIRD, reason="lawsuit", until=date(2030, 12, 31)),
    customer.HoldLifted(hold_id=THIRD),
    customer.InteractionRecorded(
        interaction_id=THIRD, kind="call", direction="in", summary="Asked for a price", outcome="follow-up"
    ),
    customer.OrderPlaced(
        order_id=THIRD,
        reference="PO-1",
        currency="EUR",
        total="12.50",
        lines=(customer.OrderLine(product="P1", quantity="2", amount="12.50"),),
    ),
    customer.OrderPaid(order_id=THIRD, amount="12.50", method="card"),
    customer.OrderDelivered(order_id=THIRD, carrier="post", delivered_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    customer.OrderReturned(order_id=THIRD, amount="12.50", reason="broken"),
    customer.TicketOpened(ticket_id=THIRD, topic="delivery", priority="high", summary="Parcel is missing"),
    customer.TicketAnswered(ticket_id=THIRD, text="We look for it"),
    customer.TicketResolved(ticket_id=THIRD, resolution="found"),
    customer.TicketReopened(ticket_id=THIRD, reason="lost-again"),
    survivorship.ValuePinned(field="address:main", reason="on-an-invoice"),
    survivorship.ValueUnpinned(field="address:main", reason="moved-away"),
    survivorship.SurvivorshipPolicySet(
        version=1,
        policy=survivorship.Policy(
            default=survivorship.Rule(order=("active", "verified", "source", "recency"), sources=("erp", "*", "web")),
            fields={"address": survivorship.Rule(order=("verified", "longest"))},
            together={"bank": ("extension:iban", "extension:bic")},
        ),
        effective_from=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        reason="the ERP is kept best",
    ),
    identity.NumberAssigned(number="C0000001X", rule="default.v1", serial=1),
    identity.AliasAdded(alias="OLD-1", kind="foreign"),
    identity.Linked(
        a=OTHER,
        b=CONTACT,
        evidence=("name_birth",),
        decided_by="exact.v1",
        moves=(identity.Move(customer=OTHER, identity=CONTACT),),
        weight=14_250,
        model="default.v1",
    ),
    identity.Separated(
        a=OTHER,
        b=CONTACT,
        reason="two people",
        moves=(identity.Move(customer=OTHER, identity=OTHER),),
        links=(identity.Ends(a=CONTACT, b=OTHER),),
    ),
    identity.Asserted(
        a=OTHER, others=(CONTACT,), says="never", reason="twins", expires=datetime(2027, 2, 28, 9, tzinfo=UTC)
    ),
    identity.AssertionEnded(a=OTHER, others=(CONTACT,), says="never", because="withdrawn", reason="seen their papers"),
    identity.ReviewOpened(
        a=CONTACT,
        b=OTHER,
        why="weight",
        weight=1_500,
        model="default.v1",
        evidence=("family:exact", "birth:typo"),
        vector="0f3a",
    ),
    identity.ReviewClosed(a=CONTACT, b=OTHER, answer="unsure", reason="ask again with papers"),
    identity.ApprovalRequested(
        request_id=THIRD, a=OTHER, b=CONTACT, says="same", reason="one group now", size=31, overrule=True
    ),
    identity.ApprovalDecided(request_id=THIRD, approved=True, reason="as asked"),
    numbering.NumberingRulesSet(
        version=1,
        effective_from=datetime(2026, 1, 2, tzinfo=UTC),
        rules=(
            numbering.NumberingRule(
                id="region.v1",
                when=(numbering.Condition(fact="kind", is_in=("person",)),),
                template="{class.region:2}-{yyyy}-{seq:6}{check:mod37_36}",
                zone="Asia/Shanghai",
                without="4",
                held_back=("8888",),
                reserved=(numbering.SerialRange(first=1, last=99),),
            ),
        ),
        reason="regions",
    ),
    numbering.NumbersLeased(
        lease=ID(8),
        rule="region.v1",
        scope="region.v1/DE-2026",
        first=100,
        last=199,
        holder="till-7",
        expires_at=datetime(2026, 1, 3, tzinfo=UTC),
    ),
    numbering.NumbersVoided(
        lease=ID(8),
        rule="region.v1",
        scope="region.v1/DE-2026",
        ranges=(numbering.SerialRange(first=150, last=199),),
        reason="expired",
    ),
    numbering.SerialsRaised(rule="region.v1", scope="region.v1/DE-2026", floor=5000, reason="legacy import"),
    notifications.ReminderPlanned(
        reminder_id=THIRD,
        kind="birthday",
        due_at=datetime(2027, 2, 28, 9, tzinfo=UTC),
        local_date=date(2027, 2, 28),
        zone="UTC",
        assignee="u1",
        note="Call first",
    ),
    notifications.ReminderCancelled(reminder_id=THIRD, reason="archived"),
    notifications.ReminderFired(reminder_id=THIRD, kind="birthday"),
    notifications.MessageSent(message_id=OTHER, reminder_id=THIRD, channel="spool"),
    notifications.MessageFailed(
        message_id=OTHER, reminder_id=THIRD, channel="spool", error="disk-full", attempt=3, final=True
    ),
    access.PersonalDataRead(operation="GET /customers/{ref}", fields=("birth_date", "name")),
    access.Exported(what="directory", rows=12, watermark=THIRD, reason="asked by the auditor"),
    access.LoginFailed(reason="ExpiredTokenError", count=3),
    access.CommandRefused(
        service="customer", operation="POST /customers/{id}/archive", status=403, problem="forbidden", count=2
    ),
    access.TokenIssued(account="u1", roles=("auditor", "viewer"), seconds=3600),
    access.AlarmRaised(log="customer", kind="shorter", first=17, last=20, sentence="Records 17 to 20 are gone."),
)
