"""The list of customers: search, filters, sort order and count."""

from dataclasses import fields
from typing import Any

from flask import redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.access.saved_views import list_views
from app.core.counts.customer_totals import totals
from app.core.models.customers import customer_exists
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
    parameter_name,
    parse_customer_list,
    parse_customer_list_form,
)
from app.pages.segment_picker import SegmentOption, find_by_value, segment_condition, segment_options, with_segment
from app.web.replica_reads import from_replica

PAGE_SIZE = 50
MAX_COUNTED = 10_000
URL = "pages.customers"
FILTER_PARAMETERS = {*map(parameter_name, fields(Filter))}


@blueprint.get("/customers")
@require_role("viewer")
@from_replica
def customers() -> Any:
    query, errors = parse_customer_list_form()
    if errors:
        return customer_list(query, errors)
    if list_query.text("add_segment"):
        return _add_segment_filter(query)
    if "condition" in request.args:  # the form was sent: the URL without its empty fields
        return redirect(ListUrl(query.parameters).changed())
    if _opens_customer(query):
        return redirect(url_for("pages.customer", document_id=query.filter.q))
    return customer_list(query)


def _opens_customer(query: CustomerListQuery) -> bool:
    """Return whether the search is exactly the ID of a customer; False while the operator is still typing."""
    q = query.filter.q
    return query.filter == Filter(q) and "X-Fragment" not in request.headers and bool(q) and customer_exists(q)


def customer_list(
    query: CustomerListQuery,
    errors: dict[str, str] | None = None,
    *,
    options: list[SegmentOption] | None = None,
    view_name: str = "",
) -> Any:
    """Return the page of the list, without customers if its filter is invalid.

    `errors` are by field; `options` are segments to choose from instead of the one that was entered.
    """
    errors = errors or {}
    is_valid = not errors.keys() & FILTER_PARAMETERS
    rows, has_previous, has_next = _find(query) if is_valid else ([], False, False)
    urls = ListUrl(query.parameters, URL)
    return render_template(
        "customers.html",
        query=query,
        errors=errors,
        options=options or [],
        views=list_views(),
        view_name=view_name,
        conditions=SEGMENT_CONDITIONS,
        choices=CHOICES,
        active=list(active_filters(query.filter)),
        customers=rows,
        count=_count(query, len(rows), has_next) if is_valid else None,
        previous_url=urls.changed(before=query.cursor(rows[0])) if has_previous and rows else None,
        next_url=urls.changed(after=query.cursor(rows[-1])) if has_next and rows else None,
        is_valid=is_valid,
        any_customers=bool(rows or totals().customers),
        list_url=urls,
    ), 422 if errors else 200


def _add_segment_filter(query: CustomerListQuery) -> Any:
    """Redirect to the list with one more segment in its filter, or offer those that match the text."""
    entered, condition = list_query.text("add_segment"), segment_condition()
    try:
        pair = list_query.segment(entered) if ":" in entered else find_by_value(entered)
    except InvalidRequest as error:
        return customer_list(query, {"add_segment": str(error)})
    if pair:
        return redirect(with_segment(query, condition, pair))
    options = segment_options(query, condition, entered)
    message = _("Choose one of these segments:") if options else _("No segment matches “%(text)s”.", text=entered)
    return customer_list(query, {"add_segment": str(message)}, options=options)


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
