"""What a change of many would do, before it is done: who gains, who loses, who stays as she is."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from app.core import dialects
from app.core.database import db
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer
from app.core.models.segments import SegmentPair, Segments, distinct_pairs

MAX_EXAMPLES = 5
MAX_DELTAS = 50

customers = Customer.__table__.c


@dataclass
class ChangePreview:
    """Numbers of customers. Somebody can gain one segment and lose another: she counts as both."""

    created: int = 0
    updated: int = 0
    """Of whom a name, an e-mail or a phone would be another."""
    changed: int = 0
    """Whose segments would be others, or in another order."""
    gain: int = 0
    lose: int = 0
    touched: int = 0
    """Of whom anything would be another."""
    unchanged: int = 0
    unknown: int = 0
    """Not there, and not to be created."""
    duplicates: int = 0
    bad: int = 0
    """Lines of a file: those of a customer who stood in one before, and those that cannot be read."""
    movements: Counter[SegmentPair] = field(default_factory=Counter)
    """By how many customers each segment would grow or shrink."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    """Some of those who would change: `document_id`, `name`, `before` and `after`."""

    def add(self, before: Segments, after: Segments, times: int = 1) -> bool:
        """Take in customers who go from these segments to those. Whether that changes anything."""
        if before == after:
            return False
        had, has = (set(distinct_pairs(segments)) for segments in (before, after))
        self.changed += times
        self.gain += times if has - had else 0
        self.lose += times if had - has else 0
        for pair in has - had:
            self.movements[pair] += times
        for pair in had - has:
            self.movements[pair] -= times
        return True

    def show(self, document_id: str, name: str | None, before: Segments, after: Segments) -> None:
        """Take her as an example, while there are few."""
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append({"document_id": document_id, "name": name, "before": before, "after": after})

    def told(self) -> dict[str, Any]:
        """As JSON, to be kept."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        largest = sorted(self.movements.items(), key=lambda moved: -abs(moved[1]))
        movements = [[*pair, delta] for pair, delta in largest[:MAX_DELTAS] if delta]
        return {**numbers, "movements": movements, "examples": self.examples}


Wanted = Mapping[str, tuple[Mapping[str, str | None], Segments | None]]
"""`{document_id: (facts, segments)}`; None for segments that stay."""


@dataclass(frozen=True)
class CustomerState:
    """A customer as a preview found them."""

    profile: dict[str, str | None]
    segments: Segments


def preview_batch(effect: ChangePreview, wanted: Wanted, *, create: bool) -> dict[str, CustomerState | None]:
    """Add what saving these profiles and segments would do; reads only.

    Returns the customers who would change, as they are now; None for those who do not exist.
    """
    affected: dict[str, CustomerState | None] = {}
    asked = select(dialects.json_strings(list(wanted)).c.value)
    query = select(customers.document_id, *(customers[fact] for fact in PROFILE_FIELD_NAMES), customers.segments)
    stored = {row.document_id: row for row in db.session.execute(query.where(customers.document_id.in_(asked)))}
    for document_id, (facts, segments) in wanted.items():
        row = stored.get(document_id)
        if row is None and not create:
            effect.unknown += 1
            continue
        before = row.segments if row else []
        after = before if segments is None else segments
        updated = row is not None and any(getattr(row, fact) != value for fact, value in facts.items())
        effect.created += row is None
        effect.updated += updated
        if effect.add(before, after):
            effect.show(document_id, facts.get("name") or (row.name if row else None), before, after)
        elif row is not None and not updated:
            effect.unchanged += 1
            continue
        effect.touched += 1
        profile = {name: getattr(row, name) for name in PROFILE_FIELD_NAMES} if row else {}
        affected[document_id] = CustomerState(profile, row.segments) if row else None
    return affected
