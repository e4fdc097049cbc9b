"""The picker of segments in the filter of the customer list: finds by type or value, of however many segments."""

from typing import Any, NamedTuple

from flask import render_template, request
from flask_babel import gettext as _

from app.core.counts.segment_counts import SegmentSize
from app.core.models.segments import SegmentPair
from app.core.search.catalogue import find_segments
from app.pages import blueprint, list_query
from app.pages.auth import require_role
from app.pages.filter_texts import SEGMENT_CONDITIONS
from app.pages.list_query import CustomerListQuery, InvalidRequest, ListUrl, parse_customer_list
from app.serialization.segment_notation import format_segment
from app.web.replica_reads import from_replica

MAX_OPTIONS = 20


class SegmentOption(NamedTuple):
    """A segment, and the list of customers with it added to the filter."""

    segment: SegmentSize
    url: str


@blueprint.get("/segment-options")
@require_role("viewer")
@from_replica
def segment_picker() -> Any:
    """Return the largest segments that match what is being typed, as options that lead to the list."""
    query = parse_customer_list()
    options = segment_options(query, segment_condition(), list_query.text("add_segment"))
    return render_template("components/segment_options.html", options=options)


def segment_options(query: CustomerListQuery, condition: str, text: str) -> list[SegmentOption]:
    sizes = find_segments(text, limit=MAX_OPTIONS)
    return [SegmentOption(size, with_segment(query, condition, size.pair)) for size in sizes]


def find_by_value(text: str) -> SegmentPair | None:
    """Return the one segment whose value is this text, without regard to case and accents, or None."""
    found = find_segments(text, limit=2, whole_value=True)
    return found[0].pair if len(found) == 1 else None


def segment_condition() -> str:
    """Return what a segment that is added to the filter means, the name of its parameter. Raises InvalidRequest."""
    condition = request.args.get("condition", "segment")
    if condition not in SEGMENT_CONDITIONS:
        raise InvalidRequest(_("Choose a condition from the list."), parameter="add_segment")
    return condition


def with_segment(query: CustomerListQuery, condition: str, pair: SegmentPair) -> str:
    """Return the URL of the list with one more segment in its filter."""
    segments = dict.fromkeys([*query.parameters.get(condition, []), format_segment(pair)])
    return ListUrl(query.parameters, "pages.customers").changed(**{condition: list(segments)})
