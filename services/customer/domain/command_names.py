"""The names of a customer's commands, as addresses and files use them: one table for both."""

from collections.abc import Mapping

from services.customer.domain import customer_commands as commands
from services.customer.domain import erasure_commands as erasure
from services.customer.domain import pin_commands as pins
from services.customer.domain import rights_commands as rights

CUSTOMER_COMMANDS: Mapping[str, type[commands.CustomerCommand]] = {
    "add-contact-point": commands.AddContactPoint,
    "verify-contact-point": commands.VerifyContactPoint,
    "invalidate-contact-point": commands.InvalidateContactPoint,
    "remove-contact-point": commands.RemoveContactPoint,
    "set-address": commands.SetAddress,
    "add-identifier": commands.AddIdentifier,
    "classify": commands.Classify,
    "tag": commands.Tag,
    "note-preference": commands.NotePreference,
    "add-relationship": commands.AddRelationship,
    "end-relationship": commands.EndRelationship,
    "assign-owner": commands.AssignOwner,
    "give-consent": rights.GiveConsent,
    "withdraw-consent": rights.WithdrawConsent,
    "restrict-processing": rights.RestrictProcessing,
    "lift-restriction": rights.LiftRestriction,
    "raise-objection": rights.RaiseObjection,
    "withdraw-objection": rights.WithdrawObjection,
    "set-extension-field": commands.SetExtensionField,
    "pin-value": pins.PinValue,
    "unpin-value": pins.UnpinValue,
    "archive": commands.Archive,
    "restore": commands.Restore,
    "request-erasure": erasure.RequestErasure,
    "refuse-erasure": erasure.RefuseErasure,
    "approve-erasure": erasure.ApproveErasure,
    "place-hold": erasure.PlaceHold,
    "lift-hold": erasure.LiftHold,
}
"""POST /customers/{id}/<name> -> its body."""
OURS = frozenset(
    {
        "add-relationship",
        "end-relationship",
        "assign-owner",
        "pin-value",
        "unpin-value",
        "request-erasure",
        "refuse-erasure",
        "approve-erasure",
        "place-hold",
        "lift-hold",
    }
)
"""Those that a row of a file cannot tell: they name other customers or accounts, or are decisions of people here."""
TOLD: Mapping[str, type[commands.CustomerCommand]] = {
    "edit": commands.Edit,
    **{name: command for name, command in CUSTOMER_COMMANDS.items() if name not in OURS},
}
"""Name -> command, of what a row may tell; an edit is a PATCH where it has an address."""
