"""The list of customers: search, filters, sort order and count."""

from typing import Any

from flask import redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import largest_segments
from app.core.models.customers import customer_exists
from app.core.models.segments import SegmentPair
from app.core.search.customers import (
    Count,
    CustomerRow,
    count_customers,
    find_customers,
    find_previous_page,
    known_count,
)
from app.core.search.filters import Filter
from app.pages import blueprint, list_query
from app.pages.auth import require_role
from app.pages.filter_texts import CHOICES, SEGMENT_CONDITIONS, active_filters
from app.pages.list_query import (
    CustomerListQuery,
    InvalidRequest,
    ListUrl,
    parse_customer_list,
    parse_customer_list_form,
)
from app.serialization.segment_notation import format_segment
from app.web.replica_reads import from_replica

PAGE_SIZE = 50
MAX_COUNTED = 10_000
MAX_SEARCHED = 20_000
MAX_SUGGESTIONS = 12


@blueprint.get("/customers")
@require_role("viewer")
@from_replica
def customers() -> Any:
    query, errors = parse_customer_list_form()
    if "add_segment" in request.args and not errors:
        return _add_segment_filter(query)
    if not errors and _opens_customer(query):
        return redirect(url_for("pages.customer", document_id=query.filter.q))
    return _page(query, errors)


def _opens_customer(query: CustomerListQuery) -> bool:
    """Return whether the search is nothing but the ID of a customer; never while the operator is still typing."""
    q = query.filter.q
    return query.filter == Filter(q) and "X-Fragment" not in request.headers and bool(q) and customer_exists(q)


def _page(query: CustomerListQuery, errors: dict[str, str]) -> Any:
    rows, has_previous, has_next = ([], False, False) if errors else _find(query)
    urls = ListUrl(query.parameters)
    return render_template(
        "customers.html",
        query=query,
        errors=errors,
        conditions=SEGMENT_CONDITIONS,
        choices=CHOICES,
        active=list(active_filters(query.filter)),
        customers=rows,
        count=None if errors else _count(query, len(rows), has_next),
        previous_url=urls.changed(before=query.cursor(rows[0])) if has_previous and rows else None,
        next_url=urls.changed(after=query.cursor(rows[-1])) if has_next and rows else None,
        suggested=largest_segments(limit=MAX_SUGGESTIONS),
        any_customers=bool(rows or totals().customers),
        list_url=urls,
    ), 422 if errors else 200


def _add_segment_filter(query: CustomerListQuery) -> Any:
    """Redirect to the list with one more segment in its filter."""
    condition = request.args.get("condition", "segment")
    if condition not in SEGMENT_CONDITIONS:
        raise InvalidRequest(_("Choose a condition from the list."))
    try:
        added = format_segment(_find_segment(list_query.text("add_segment")))
    except InvalidRequest as error:
        return _page(query, {"add_segment": str(error)})
    segments = dict.fromkeys([*query.parameters.get(condition, []), added])
    return redirect(ListUrl(query.parameters).changed(**{condition: list(segments)}))


def _find_segment(text: str) -> SegmentPair:
    """Return the segment `type:value`, or the one whose value is the text. Raises InvalidRequest."""
    if ":" in text:
        return list_query.segment(text)
    found = [size for size in largest_segments(limit=MAX_SEARCHED) if size.value.casefold() == text.casefold()]
    if not found:
        raise InvalidRequest(_("No segment matches “%(text)s”.", text=text))
    if len(found) > 1:
        names = ", ".join(format_segment(size.pair) for size in found[:MAX_SUGGESTIONS])
        raise InvalidRequest(_("Several segments match: %(segments)s.", segments=names))
    return found[0].pair


def _find(query: CustomerListQuery) -> tuple[list[CustomerRow], bool, bool]:
    """Return the customers of this page, and whether there are pages before and after it."""
    if query.before:
        rows = find_previous_page(query.filter, query.order, query.before, limit=PAGE_SIZE + 1)
        return rows[-PAGE_SIZE:], len(rows) > PAGE_SIZE, True
    rows = find_customers(query.filter, query.order, after=query.after, limit=PAGE_SIZE + 1)
    return rows[:PAGE_SIZE], query.after is not None, len(rows) > PAGE_SIZE


def _count(query: CustomerListQuery, rows: int, has_next: bool) -> Count | None:
    """Return how many customers match, if that is known without counting or `?count` is in the URL."""
    if not (query.after or query.before or has_next):
        return Count(rows, exact=True)
    if "count" in request.args:
        return count_customers(query.filter, limit=MAX_COUNTED)
    return known_count(query.filter)


@blueprint.get("/customer-count")
@require_role("viewer")
@from_replica
def customer_count() -> Any:
    """Return how many customers match, for a page that is already displayed."""
    count = count_customers(parse_customer_list().filter, limit=MAX_COUNTED)
    return render_template("components/count.html", count=count)
