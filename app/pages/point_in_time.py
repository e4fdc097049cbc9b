"""The past by days: the catalogue and a segment's members on two days side by side, and one customer on any day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice
from typing import Any

from flask import Response, render_template, stream_with_context
from flask_babel import gettext as _

from app.access.audit_log import record_event_now
from app.core.database import now
from app.core.errors import NoLongerRetained
from app.core.history.members import count_movements, iter_members, iter_movements, list_movements
from app.core.history.past_catalogue import compare_catalogue, compare_size, iter_catalogue
from app.core.history.segment_diff import diff_segments
from app.core.history.timeline import retained_since, segments_at
from app.core.models.customers import get_customer
from app.core.models.segments import SegmentPair
from app.files.export import table_chunks
from app.pages import blueprint, list_query
from app.pages.auth import require_role
from app.pages.days import Days, end_of_day, parse_two_days, parse_two_valid_days, today
from app.pages.list_query import ListUrl, parse_filter_form
from app.pages.template_filters import local_time
from app.web.cursors import encode_cursor
from app.web.replica_reads import from_replica

PAGE_SIZE = 100
MAX_MOVEMENTS = 50

SEGMENT_URL = "/segments/<segment_part:type>/<segment_part:value>/days"


@blueprint.get("/segment-days")
@require_role("viewer")
@from_replica
def segment_days() -> Any:
    """Show the sizes of all segments on two days."""
    days, errors = parse_two_days()
    after = list_query.cursor("after", str, str)
    only_changed = list_query.text("changed") == "yes"
    rows = []
    try:
        rows = compare_catalogue(
            *days.moments, after=SegmentPair(*after) if after else None, only_changed=only_changed, limit=PAGE_SIZE + 1
        )
    except NoLongerRetained:
        errors["start"] = _not_retained()
    page, urls = rows[:PAGE_SIZE], ListUrl(_listed(days, only_changed))
    return render_template(
        "segment_days.html",
        days=days,
        errors=errors,
        sizes=page,
        only_changed=only_changed,
        next_url=urls.changed(after=encode_cursor(*page[-1].pair)) if len(rows) > PAGE_SIZE else None,
        first_url=urls.changed() if after else None,
    ), 422 if errors else 200


def _listed(days: Days, only_changed: bool) -> dict[str, list[str]]:
    parameters = {name: [value] for name, value in days.parameters.items()}
    return parameters | ({"changed": ["yes"]} if only_changed else {})


@blueprint.get("/segment-days-export")
@require_role("viewer")
def segment_days_export() -> Response:
    """Stream the sizes of all segments on two days as CSV."""
    days = parse_two_valid_days()
    header = ["type", "value", f"customers_{days.earlier}", f"customers_{days.later}", "change"]
    rows = ([*size, size.delta] for size in iter_catalogue(*days.moments))
    return _csv(header, rows, f"segments-{days.earlier}-{days.later}")


@blueprint.get(SEGMENT_URL)
@require_role("viewer")
@from_replica
def segment_movements(type: str, value: str) -> Any:
    """Show who came to a segment and who left it between two days."""
    pair, (days, errors) = SegmentPair(type, value), parse_two_days()
    found: dict[str, Any] = {}
    try:
        found = {
            "size": compare_size(pair, *days.moments),
            "delta": count_movements(pair, *days.moments),
            "joined": list_movements(pair, *days.moments, joined=True, limit=MAX_MOVEMENTS),
            "left": list_movements(pair, *days.moments, joined=False, limit=MAX_MOVEMENTS),
        }
    except NoLongerRetained:
        errors["start"] = _not_retained()
    return render_template(
        "segment_movements.html", segment=pair, days=days, errors=errors, **found
    ), 422 if errors else 200


@blueprint.get(f"{SEGMENT_URL}/export")
@require_role("viewer")
def segment_movements_export(type: str, value: str) -> Response:
    """Stream as CSV who came and left, or with `?list=start` or `end` the members on that day."""
    pair, days, which = SegmentPair(type, value), parse_two_valid_days(), list_query.text("list")
    record_event_now("customers_exported", after={"format": "csv", "filtered": True})
    if which in ("start", "end"):
        day = days.earlier if which == "start" else days.later
        return _csv(["document_id"], ([id_] for id_ in iter_members(pair, end_of_day(day))), f"members-{day}")
    rows = ([id_, "joined" if joined else "left"] for id_, _name, joined in iter_movements(pair, *days.moments))
    return _csv(["document_id", "change"], rows, f"members-{days.earlier}-{days.later}")


def _csv(header: list[str], rows: Iterator[list[Any]], name: str) -> Response:
    """Stream a table. Raises NoLongerRetained before the response begins."""
    first = list(islice(rows, 1))
    chunks = table_chunks(header, chain(first, rows))
    disposition = {"Content-Disposition": f"attachment; filename={name}.csv"}
    return Response(stream_with_context(chunks), mimetype="text/csv", headers=disposition)


def _not_retained() -> str:
    return str(_("Changes before %(time)s have been deleted.", time=local_time(retained_since() or now())))


# One customer


@dataclass(frozen=True)
class OneDay:
    """The day in the form of a customer."""

    day: date | None = None


@blueprint.get("/customer-day/<document_id:document_id>")
@require_role("viewer")
def customer_day(document_id: str) -> Any:
    """Show the segments of a customer at the end of a day, and what changed since."""
    found, (query, errors) = get_customer(document_id), parse_filter_form(OneDay)
    day = query.day or today()
    if day > today():
        errors["day"] = str(_("Choose a day that isn't in the future."))
    segments = None
    try:
        segments = None if errors else segments_at(document_id, end_of_day(day))
    except NoLongerRetained:
        errors["day"] = _not_retained()
    return render_template(
        "customer_day.html",
        customer=found,
        day=day,
        errors=errors,
        segments=segments,
        since=None if segments is None else diff_segments(segments, found.segments),
    ), 422 if errors else 200
