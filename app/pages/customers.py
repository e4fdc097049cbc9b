"""The list of customers: found, filtered, sorted, counted, exported."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from flask import Response, redirect, render_template, request, stream_with_context, url_for

from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import largest_segments
from app.core.models.customers import is_customer
from app.core.search.customers import Count, Filter, count_at_once, count_customers, every_found, find_customers
from app.core.search.customers import find_on_page_before as find_before
from app.files.export import csv_texts
from app.pages import blueprint, list_query
from app.pages.auth import open_to
from app.pages.list_query import Asked, NotUnderstood, asked_customers
from app.serialization.segment_notation import segment_text

PAGE = 50
MOST_COUNTED = 10_000
MOST_SUGGESTED = 50


@blueprint.get("/customers")
@open_to("viewer")
def customers() -> Any:
    if "pair" in request.args:  # from the form that adds a filter
        return _with_added_filter()
    wanted = asked_customers()
    if wanted.filter.q and "X-Part" not in request.headers and is_customer(wanted.filter.q):
        return redirect(url_for("pages.customer", document_id=wanted.filter.q))
    found, earlier, later = _page(wanted)
    return render_template(
        "customers.html",
        asked=wanted,
        customers=found,
        count=_count(wanted, len(found), later),
        previous=list_query.url_with(before=wanted.cursor(found[0])) if earlier and found else None,
        following=list_query.url_with(after=wanted.cursor(found[-1])) if later and found else None,
        suggested=largest_segments(most=MOST_SUGGESTED),
        there_are_any=bool(found or totals().customers),
        url_with=list_query.url_with,
        without_one=list_query.without_one,
        state=list_query.state(),
    )


def _with_added_filter() -> Any:
    kind = request.args.get("kind", "segment")
    if kind not in ("segment", "without"):
        raise NotUnderstood("A filter is by a segment that customers have, or have not.")
    pair = segment_text(list_query.segment(list_query.text("pair")))
    added = [*request.args.getlist(kind), pair]
    return redirect(list_query.url_with(**{kind: list(dict.fromkeys(added)), "pair": None, "kind": None}))


def _page(wanted: Asked) -> tuple[list[Any], bool, bool]:
    """The customers of this page, and whether there are any before and after them."""
    if wanted.before:
        found = find_before(wanted.filter, wanted.order, wanted.before, most=PAGE + 1)
        return found[-PAGE:], len(found) > PAGE, True
    found = find_customers(wanted.filter, wanted.order, after=wanted.after, most=PAGE + 1)
    return found[:PAGE], wanted.after is not None, len(found) > PAGE


def _count(wanted: Asked, found: int, later: bool) -> Count | None:
    """How many there are, if that costs nothing to know or was asked for."""
    if not (wanted.after or wanted.before or later):
        return Count(found, exact=True)
    if "count" in request.args:
        return count_customers(wanted.filter, most=MOST_COUNTED)
    return count_at_once(wanted.filter)


@blueprint.get("/customer-count")
@open_to("viewer")
def customer_count() -> Any:
    """How many customers match, for a page that is there already."""
    return render_template("components/count.html", count=count_customers(asked_customers().filter, most=MOST_COUNTED))


@blueprint.get("/customer-export")
@open_to("viewer")
def customer_export() -> Response:
    """All customers of the list as a file that can be imported again: CSV for spreadsheets, or `?format=jsonl`."""
    wanted, format_ = asked_customers().filter, list_query.text("format") or "csv"
    if format_ not in EXPORTED:
        raise NotUnderstood("A list is exported as csv or jsonl.")
    mimetype, rows = EXPORTED[format_]
    return Response(
        stream_with_context(rows(wanted)),
        mimetype=mimetype,
        headers={"Content-Disposition": f"attachment; filename=customers.{format_}"},
    )


def _csv(wanted: Filter) -> Iterator[str]:
    yield "\N{BYTE ORDER MARK}"  # without it, spreadsheets take UTF-8 for something else
    yield from csv_texts(every_found(wanted), for_spreadsheets=True)


def _json_lines(wanted: Filter) -> Iterator[bytes]:
    for customer in every_found(wanted):
        yield orjson.dumps(customer, option=orjson.OPT_APPEND_NEWLINE)


EXPORTED: dict[str, tuple[str, Callable[[Filter], Iterator[Any]]]] = {
    "csv": ("text/csv", _csv),
    "jsonl": ("application/x-ndjson", _json_lines),
}
