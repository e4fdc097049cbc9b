"""Previews: how many customers a prepared change would create, update or leave unchanged, with examples."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from app.core import dialects
from app.core.database import db
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer
from app.core.models.segment_limit import is_over_limit
from app.core.models.segment_rules import NO_RULES, SegmentRules
from app.core.models.segments import SegmentPair, Segments, distinct_pairs

MAX_EXAMPLES = 5
MAX_DELTAS = 50

customers = Customer.__table__.c


@dataclass
class ChangePreview:
    """Numbers of customers. A customer who gains one segment and loses another counts in `gain` and in `lose`."""

    created: int = 0
    updated: int = 0
    """Customers whose profile would change."""
    changed: int = 0
    """Customers whose segments, or their order, would change."""
    gain: int = 0
    lose: int = 0
    affected: int = 0
    """Customers for whom anything would change."""
    unchanged: int = 0
    not_found: int = 0
    """Customers who do not exist and would not be created."""
    duplicates: int = 0
    refused: int = 0
    """Customers who would have two values of a type that takes one, and are left alone."""
    over_limit: int = 0
    """Customers who would have too many segments, and are left alone."""
    rejected: int = 0
    """Rows of a file: those of a customer with an earlier row, and those with errors."""
    segments_lost: int = 0
    """Segments that the customers in `lose` would lose, in all."""
    deltas: Counter[SegmentPair] = field(default_factory=Counter)
    """By how many customers each segment would grow or shrink."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    """Some customers who would change: `document_id`, `name`, `before` and `after`."""

    def add(self, before: Segments, after: Segments, times: int = 1) -> bool:
        """Count customers whose segments go from `before` to `after`; return whether anything changes."""
        if before == after:
            return False
        had, has = (set(distinct_pairs(segments)) for segments in (before, after))
        self.changed += times
        self.gain += times if has - had else 0
        self.lose += times if had - has else 0
        self.segments_lost += times * len(had - has)
        for pair in has - had:
            self.deltas[pair] += times
        for pair in had - has:
            self.deltas[pair] -= times
        return True

    def add_example(self, document_id: str, name: str | None, before: Segments, after: Segments) -> None:
        """Keep the customer as an example, unless there are MAX_EXAMPLES."""
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append({"document_id": document_id, "name": name, "before": before, "after": after})

    def to_dict(self) -> dict[str, Any]:
        """Return the preview as JSON."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        largest = sorted(self.deltas.items(), key=lambda item: -abs(item[1]))
        deltas = [[*pair, delta] for pair, delta in largest[:MAX_DELTAS] if delta]
        return {**numbers, "deltas": deltas, "examples": self.examples}


CustomerRows = Mapping[str, tuple[Mapping[str, str | None], Segments | None]]
"""`{document_id: (profile, segments)}`; None for segments that stay."""

Combine = Callable[[Segments, Segments], Segments]
"""Returns the segments of a customer from those before and those sent."""


def replace_all(_before: Segments, sent: Segments) -> Segments:
    return sent


@dataclass(frozen=True)
class CustomerState:
    """A customer as a preview found them."""

    profile: dict[str, str | None]
    segments: Segments


def preview_batch(
    preview: ChangePreview,
    rows: CustomerRows,
    *,
    create: bool,
    combine: Combine = replace_all,
    rules: SegmentRules = NO_RULES,
) -> dict[str, CustomerState | None]:
    """Add to the preview what saving these profiles and segments would do. It only reads.

    Returns the customers who would change, as they are now; None for those who do not exist.
    """
    affected: dict[str, CustomerState | None] = {}
    document_ids = select(dialects.json_strings(list(rows)).c.value)
    query = select(customers.document_id, *(customers[name] for name in PROFILE_FIELD_NAMES), customers.segments)
    stored = {row.document_id: row for row in db.session.execute(query.where(customers.document_id.in_(document_ids)))}
    for document_id, (changes, segments) in rows.items():
        row = stored.get(document_id)
        if row is None and not create:
            preview.not_found += 1
            continue
        before = row.segments if row else []
        after = before if segments is None else combine(before, segments)
        if is_over_limit(before, after):
            preview.over_limit += 1
            continue
        if rules.breaks(before, after):
            preview.refused += 1
            continue
        updated = row is not None and any(getattr(row, name) != value for name, value in changes.items())
        preview.created += row is None
        preview.updated += updated
        if preview.add(before, after):
            preview.add_example(document_id, changes.get("name") or (row.name if row else None), before, after)
        elif row is not None and not updated:
            preview.unchanged += 1
            continue
        preview.affected += 1
        profile = {name: getattr(row, name) for name in PROFILE_FIELD_NAMES} if row else {}
        affected[document_id] = CustomerState(profile, row.segments) if row else None
    return affected
