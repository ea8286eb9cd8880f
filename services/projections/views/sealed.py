"""Sealed fields inside documents: kept as they are stored, opened only by a reader who may."""

from services.projections.views.view import Document
from shared.events.envelope import Erased, Recorded


def sealed_parts(event: Recorded) -> list[Document]:
    """The sealed parts of an event, each with its place, which binds it; none for a subject that was erased."""
    return [
        {
            "event": event.id,
            "log": event.log,
            "stream": event.stream,
            "seq": event.seq,
            "type": event.type,
            "subject": subject,
            "key": part.key,
            "nonce": part.nonce,
            "ct": part.ct,
            "fields": list(part.fields),
        }
        for subject, part in event.sealed.items()
        if not isinstance(getattr(event.data, part.fields[0], None), Erased)
    ]
