"""What stands in the URL of a list: filters, order and place. A list's state is its URL, to be kept and sent."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal, cast

from flask import request, url_for
from werkzeug.datastructures import MultiDict

from app.core.errors import BadRequest
from app.core.models.customers import is_storable
from app.core.models.segments import SegmentPair
from app.core.search.customers import CustomerRow
from app.core.search.filters import Filter, Order
from app.serialization.segment_notation import InvalidSegment, parse_segment
from app.web.cursors import InvalidCursor, decode_cursor, encode_cursor

MAX_QUERY_LENGTH = 1000

NARROWED_BY = ("q", "segment", "without", "has", "sort", "type", "source", "actor", "customer", "since", "until")


class InvalidListQuery(BadRequest):
    code = "INVALID_LIST_QUERY"
    explanation = "The URL has a parameter that this list does not understand."


def text(name: str, args: MultiDict[str, str] | None = None) -> str:
    """`?name=…` without blanks around it; empty if it is missing. Raises NotUnderstood."""
    value = (request.args if args is None else args).get(name, "").strip()
    if not is_storable(value):
        raise InvalidListQuery("The address contains characters that cannot be stored.")
    return value


def segments(name: str) -> tuple[SegmentPair, ...]:
    """`?name=type:value`, any number of times. Raises NotUnderstood."""
    return tuple(segment(value) for value in dict.fromkeys(request.args.getlist(name)))


def segment(value: str) -> SegmentPair:
    try:
        parsed = parse_segment(value)
    except InvalidSegment:
        raise InvalidListQuery("A segment is written type:value, such as membership:GOLD.") from None
    if not all(is_storable(part) for part in parsed):
        raise InvalidListQuery("The address contains characters that cannot be stored.")
    return parsed


def day(name: str) -> date | None:
    """`?name=2026-11-23`. Raises NotUnderstood."""
    value = text(name)
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise InvalidListQuery("A day is written like 2026-11-23.") from None


def start_of_day(of: date | None) -> datetime | None:
    return datetime.combine(of, time(), UTC) if of else None


def cursor(name: str, *types: type) -> Any:
    """Where the list goes on: `?name=<cursor>`. Raises NotUnderstood."""
    value = request.args.get(name)
    try:
        return decode_cursor(value, *types) if value else None
    except InvalidCursor:
        raise InvalidListQuery("This place in the list does not exist. Start from its first page.") from None


def url_with(**changes: Any) -> str:
    """This list's URL with some of its parameters changed, or taken out with None; back on its first page."""
    kept = {name: value for name, value in {**active_filters(), **changes}.items() if value not in (None, "", [], [""])}
    return url_for(str(request.endpoint), **{**(request.view_args or {}), **kept})


@dataclass(frozen=True)
class CustomerListQuery:
    """Which customers, in which order, from where."""

    filter: Filter
    order: Order
    after: tuple[str, ...] | None
    before: tuple[str, ...] | None

    def cursor(self, customer: CustomerRow) -> str:
        return encode_cursor(*self.order.cursor_of(customer))

    @property
    def sort(self) -> str:
        return ("-" if self.order.descending else "") + self.order.by


def parse_customer_list() -> CustomerListQuery:
    """Raises NotUnderstood."""
    has, sort = text("has"), text("sort") or "id"
    if has not in ("", "any", "none"):
        raise InvalidListQuery("has is any or none.")
    if sort.removeprefix("-") not in ("id", "name"):
        raise InvalidListQuery("Customers are sorted by id or name.")
    order = Order(cast(Literal["id", "name"], sort.removeprefix("-")), sort.startswith("-"))
    types = (str,) if order.by == "id" else (str, str)
    after, before = cursor("after", *types), cursor("before", *types)
    return CustomerListQuery(
        Filter(
            _search_text(),
            segments("segment"),
            segments("without"),
            cast(Literal["any", "none"] | None, has or None),
        ),
        order,
        tuple(after) if after else None,
        tuple(before) if before else None,
    )


def _search_text() -> str:
    q = text("q")
    if len(q) > MAX_QUERY_LENGTH:
        raise InvalidListQuery(f"A search has at most {MAX_QUERY_LENGTH:,} characters.")
    return q


def url_without(name: str, value: str) -> str:
    """The list's URL with one of several equal parameters taken out."""
    return url_with(**{name: [kept for kept in request.args.getlist(name) if kept != value]})


def active_filters() -> dict[str, list[str]]:
    """What this list is narrowed to, by parameter: only those that a list of ours has, whatever else is in the URL."""
    return {name: values for name, values in request.args.lists() if name in NARROWED_BY}
