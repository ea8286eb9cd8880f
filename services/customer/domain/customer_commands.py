"""The commands of the customer aggregate; each is the body of one request."""

from collections.abc import Iterable
from typing import Annotated, Self, TypeAlias

from pydantic import Field, StrictBool, StrictInt, StringConstraints, model_validator

from services.customer.domain.command import (
    AddressField,
    Code,
    Command,
    Day,
    Id,
    IdentifierField,
    Line,
    NameField,
)
from services.customer.domain.erasure_commands import ErasureCommand
from services.customer.domain.pin_commands import PinCommand
from services.customer.domain.rights_commands import RightsCommand
from services.customer.domain.text import CleanText
from shared.events.customer import AddressUsage, ContactKind, CustomerKind

Codes = Annotated[tuple[Code, ...], Field(max_length=50)]
Classification = Annotated[dict[Code, Code], Field(max_length=50)]
Reclassification = Annotated[dict[Code, Code | None], Field(max_length=50)]
Share = Annotated[str, StringConstraints(pattern=r"^(0(\.\d{1,6})?|1(\.0{1,6})?)$")]
# JSON numbers are exact up to here in every client.
WholeNumber = Annotated[StrictInt, Field(ge=-(2**53), le=2**53)]
ExtensionValue = Annotated[str, CleanText, StringConstraints(max_length=10_000)] | StrictBool | WholeNumber | None


class Register(Command):
    """Make a customer known, as one source knows it. (source, external_id) can be registered once."""

    kind: CustomerKind
    name: NameField
    source: Code
    external_id: Line | None = None
    phones: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    emails: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    birth_date: Day | None = None
    address: AddressField | None = None
    identifiers: Annotated[tuple[IdentifierField, ...], Field(max_length=20)] = ()
    classification: Classification = Field(default_factory=dict)
    tags: Codes = ()


class Edit(Command):
    """Change what is given, leave the rest. Null takes away a birth date, a classification, an owner or a team.

    `classification` changes only the schemes it names; `tags` is the whole new set.
    """

    name: NameField | None = None
    birth_date: Day | None = None
    address: AddressField | None = None
    classification: Reclassification = Field(default_factory=dict)
    tags: Codes | None = None
    owner: Code | None = None
    team: Code | None = None
    reason: Line | None = None

    @model_validator(mode="after")
    def _keeps_what_must_be(self) -> Self:
        for name in ("name", "address", "tags"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} can be replaced but not taken away; leave it out to keep it.")
        return self


class AddContactPoint(Command):
    """Add one way to reach the customer; a value it already has changes nothing."""

    kind: ContactKind
    value: Line


class VerifyContactPoint(Command):
    """Say that the customer was reached there, and how that was found out."""

    contact_id: Id
    method: Code


class InvalidateContactPoint(Command):
    """Say that nobody is reached there any more; it stays on record."""

    contact_id: Id
    reason: Code


class RemoveContactPoint(Command):
    """Take a contact point away, for instance because it is somebody else's."""

    contact_id: Id
    reason: Code


class SetAddress(Command):
    """Set the address for one usage."""

    usage: AddressUsage = "main"
    address: AddressField


class AddIdentifier(Command):
    """Add a number somebody else gave this customer."""

    identifier: IdentifierField


class Classify(Command):
    """Set the code in one classification scheme; null takes it away."""

    scheme: Code
    code: Code | None = None


class Tag(Command):
    """Add and remove tags."""

    add: Codes = ()
    remove: Codes = ()

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        if set(self.add) & set(self.remove):
            raise ValueError("a tag is in both add and remove.")
        return self


class NotePreference(Command):
    """Note what the customer prefers, with the source of this knowledge and how sure it is (0 to 1)."""

    topic: Code
    value: Line
    source: Code
    confidence: Share = "1"


class AddRelationship(Command):
    """Say what another customer is to this one (spouse, employer, parent company)."""

    other: Id
    role: Code

    def named_customers(self) -> Iterable[tuple[str, str]]:
        """The other customer."""
        return (("other", self.other),)


class EndRelationship(Command):
    """Say that a relationship is over."""

    relationship_id: Id
    reason: Code


class AssignOwner(Command):
    """Make an account, a team, or both responsible; null leaves that place empty."""

    owner: Code | None
    team: Code | None = None


class SetExtensionField(Command):
    """Set a field that custlog does not know itself; null takes its content away."""

    field: Code
    value: ExtensionValue


class Archive(Command):
    """Put the customer aside; it takes no changes until it is restored."""

    reason: Code


class Restore(Command):
    """Bring an archived customer back."""

    reason: Code


Change: TypeAlias = (
    Edit
    | AddContactPoint
    | VerifyContactPoint
    | InvalidateContactPoint
    | RemoveContactPoint
    | SetAddress
    | AddIdentifier
    | Classify
    | Tag
    | NotePreference
    | AddRelationship
    | EndRelationship
    | AssignOwner
    | SetExtensionField
    | PinCommand
)
"""What an archived customer refuses."""
CustomerCommand: TypeAlias = Register | Change | Archive | Restore | ErasureCommand | RightsCommand
