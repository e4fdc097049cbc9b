"""Comparing a file's segments with what is stored, writing nothing (contract §8)."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.core.database import db
from app.core.models.customers import select_segments
from app.core.models.segments import Segments
from app.files.staging import Staging


@dataclass(frozen=True)
class Difference:
    """A customer whose segments a replacement by the file would change, or who does not exist."""

    position: int
    """The number of the customer among those of the file, in the order in which they are compared."""
    document_id: str
    sent: Segments
    stored: Segments | None
    """None if no customer has the document_id."""

    def to_dict(self) -> dict[str, Segments | str | None]:
        return {"document_id": self.document_id, "sent": self.sent, "stored": self.stored}


def iter_differences(staging: Staging, *, after: int = 0) -> Iterator[Difference]:
    """Yield the differences of the staged customers; those up to the position `after` are skipped."""
    position = 0
    for batch in staging.batches():
        position += len(batch)
        if position <= after:
            continue
        stored = {row.document_id: row.segments for row in db.session.execute(select_segments(batch))}
        for number, (document_id, entry) in enumerate(batch.items(), position - len(batch) + 1):
            sent = entry.segments or []
            if number > after and stored.get(document_id) != sent:
                yield Difference(number, document_id, sent, stored.get(document_id))
