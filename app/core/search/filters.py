"""Which customers a list holds, and in which order."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from app.core.models.segments import SegmentPair, Segments
from app.core.search.terms import parse_query


@dataclass(frozen=True)
class Filter:
    """Which customers: all conditions must hold."""

    q: str = ""
    """Parts of the id, name, e-mail or phone, as `app.core.search.terms` compares them."""
    segments: tuple[SegmentPair, ...] = field(default=(), metadata={"parameter": "segment"})
    without: tuple[SegmentPair, ...] = ()
    has: Literal["any", "none"] | None = None
    """Whether they have any segments at all."""

    def matches(self, document_id: str, profile: Mapping[Any, Any], segments: Segments) -> bool:
        """Return whether this customer matches. List, count, export and bulk edits find exactly these customers."""
        pairs = {*map(SegmentPair.of, segments)}
        return (
            parse_query(self.q).matches(document_id, profile)
            and pairs.issuperset(self.segments)
            and pairs.isdisjoint(self.without)
            and (self.has is None or bool(segments) == (self.has == "any"))
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the filter as JSON, for `from_dict`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        pairs = {name: [pair.to_dict() for pair in value] for name, value in values.items() if isinstance(value, tuple)}
        return values | pairs

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Filter":
        """Return the filter that `to_dict` described."""
        pairs = {name: tuple(map(SegmentPair.of, value)) for name, value in values.items() if isinstance(value, list)}
        return cls(**values | pairs)

    def __bool__(self) -> bool:
        """Return whether there is any condition."""
        return bool(parse_query(self.q)) or replace(self, q="") != Filter()


@dataclass(frozen=True)
class Order:
    """By `id`, by `name` without case and accents, or by when the segments were `updated` last.

    Customers without a name come after the others, customers who were never updated before them.
    """

    by: Literal["id", "name", "updated"] = "id"
    descending: bool = False

    def cursor_of(self, customer: Any) -> tuple[Any, ...]:
        """Return the position of a CustomerRow, after which a list continues."""
        keys = {"id": (), "name": (customer.sort_name,), "updated": (customer.position, customer.number)}
        return (*keys[self.by], customer.document_id)
