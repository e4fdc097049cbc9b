"""The list of customers: found, filtered, sorted, counted, exported."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from flask import Response, redirect, render_template, request, stream_with_context, url_for

from app.access.audit_log import record_event_now
from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import largest_segments
from app.core.models.customers import customer_exists
from app.core.search.customers import Count, count_customers, find_customers, iter_customers, known_count
from app.core.search.customers import find_previous_page as find_before
from app.core.search.filters import Filter
from app.files.export import csv_chunks
from app.pages import blueprint, list_query
from app.pages.auth import require_role
from app.pages.list_query import CustomerListQuery, InvalidListQuery, parse_customer_list
from app.serialization.segment_notation import format_segment

PAGE_SIZE = 50
MAX_COUNTED = 10_000
MAX_SUGGESTIONS = 50


@blueprint.get("/customers")
@require_role("viewer")
def customers() -> Any:
    if "pair" in request.args:  # from the form that adds a filter
        return _with_added_filter()
    wanted = parse_customer_list()
    q = wanted.filter.q
    if q and wanted.filter == Filter(q=q) and "X-Fragment" not in request.headers and customer_exists(q):
        return redirect(url_for("pages.customer", document_id=q))
    found, earlier, later = _page(wanted)
    return render_template(
        "customers.html",
        asked=wanted,
        customers=found,
        count=_count(wanted, len(found), later),
        previous=list_query.url_with(before=wanted.cursor(found[0])) if earlier and found else None,
        following=list_query.url_with(after=wanted.cursor(found[-1])) if later and found else None,
        suggested=largest_segments(limit=MAX_SUGGESTIONS),
        there_are_any=bool(found or totals().customers),
        url_with=list_query.url_with,
        without_one=list_query.url_without,
        state=list_query.active_filters(),
    )


def _with_added_filter() -> Any:
    kind = request.args.get("kind", "segment")
    if kind not in ("segment", "without"):
        raise InvalidListQuery("A filter is by a segment that customers have, or have not.")
    pair = format_segment(list_query.segment(list_query.text("pair")))
    added = [*request.args.getlist(kind), pair]
    return redirect(list_query.url_with(**{kind: list(dict.fromkeys(added)), "pair": None, "kind": None}))


def _page(wanted: CustomerListQuery) -> tuple[list[Any], bool, bool]:
    """The customers of this page, and whether there are any before and after them."""
    if wanted.before:
        found = find_before(wanted.filter, wanted.order, wanted.before, limit=PAGE_SIZE + 1)
        return found[-PAGE_SIZE:], len(found) > PAGE_SIZE, True
    found = find_customers(wanted.filter, wanted.order, after=wanted.after, limit=PAGE_SIZE + 1)
    return found[:PAGE_SIZE], wanted.after is not None, len(found) > PAGE_SIZE


def _count(wanted: CustomerListQuery, found: int, later: bool) -> Count | None:
    """How many there are, if that costs nothing to know or was asked for."""
    if not (wanted.after or wanted.before or later):
        return Count(found, exact=True)
    if "count" in request.args:
        return count_customers(wanted.filter, limit=MAX_COUNTED)
    return known_count(wanted.filter)


@blueprint.get("/customer-count")
@require_role("viewer")
def customer_count() -> Any:
    """How many customers match, for a page that is there already."""
    return render_template(
        "components/count.html", count=count_customers(parse_customer_list().filter, limit=MAX_COUNTED)
    )


@blueprint.get("/customer-export")
@require_role("viewer")
def customer_export() -> Response:
    """All customers of the list as a file that can be imported again: CSV for spreadsheets, or `?format=jsonl`."""
    wanted, format_ = parse_customer_list().filter, list_query.text("format") or "csv"
    if format_ not in EXPORTED:
        raise InvalidListQuery("A list is exported as csv or jsonl.")
    mimetype, rows = EXPORTED[format_]
    record_event_now("customers_exported", after={"format": format_, "filtered": wanted != Filter()})
    return Response(
        stream_with_context(rows(wanted)),
        mimetype=mimetype,
        headers={"Content-Disposition": f"attachment; filename=customers.{format_}"},
    )


def _csv(wanted: Filter) -> Iterator[str]:
    yield "\N{BYTE ORDER MARK}"  # without it, spreadsheets take UTF-8 for something else
    yield from csv_chunks(iter_customers(wanted), for_spreadsheets=True)


def _json_lines(wanted: Filter) -> Iterator[bytes]:
    for customer in iter_customers(wanted):
        yield orjson.dumps(customer, option=orjson.OPT_APPEND_NEWLINE)


EXPORTED: dict[str, tuple[str, Callable[[Filter], Iterator[Any]]]] = {
    "csv": ("text/csv", _csv),
    "jsonl": ("application/x-ndjson", _json_lines),
}
