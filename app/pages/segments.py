"""The catalogue of segments, and one of them with its members."""

from itertools import groupby
from typing import Any

from flask import render_template

from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import catalogue, held_by
from app.core.counts.trends import days, trends
from app.core.errors import NotFound
from app.core.search.customers import Filter, Order, find_customers
from app.core.search.similar_segments import all_look_alikes
from app.pages import blueprint, list_query
from app.pages.auth import open_to
from app.web.cursors import cursor_text

PAGE = 50
MEMBERS = 20
MOST_GROUPS = 100


@blueprint.get("/segments")
@open_to("viewer")
def segments() -> Any:
    after = list_query.place("after", str, str)
    found = catalogue(tuple(after) if after else None, most=PAGE + 1, type_=list_query.text("type") or None)
    shown = found[:PAGE]
    return render_template(
        "segments.html",
        types=[(type_, list(held)) for type_, held in groupby(shown, key=lambda held: held[0])],
        trends=trends([held[:2] for held in shown]),
        totals=totals(),
        following=list_query.url_with(after=cursor_text(*shown[-1][:2])) if len(found) > PAGE else None,
        first=list_query.url_with() if after else None,
    )


@blueprint.get("/look-alikes")
@open_to("viewer")
def look_alikes() -> Any:
    """Segments that may be one and the same in several spellings, side by side."""
    return render_template("look_alikes.html", groups=all_look_alikes()[:MOST_GROUPS])


@blueprint.get("/segments/<segment_part:type>/<segment_part:value>")
@open_to("viewer")
def segment(type: str, value: str) -> Any:
    trend = trends([(type, value)]).get((type, value))
    if trend is None:
        raise NotFound("No customer has this segment, or ever had.")
    wanted = Filter(segments=({"type": type, "value": value},))
    return render_template(
        "segment.html",
        segment={"type": type, "value": value},
        customers=held_by(type, value),
        totals=totals(),
        trend=trend,
        days=days(),
        members=find_customers(wanted, Order(), most=MEMBERS),
    )
