"""The catalogue of segments, and one of them with its members."""

from itertools import groupby
from typing import Any

from flask import render_template

from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import catalogue, count_holders
from app.core.counts.trends import days, trends
from app.core.errors import NotFound
from app.core.models.segments import SegmentPair
from app.core.search.customers import find_customers
from app.core.search.filters import Filter, Order
from app.core.search.similar_segments import find_all_similar
from app.pages import blueprint, list_query
from app.pages.auth import require_role
from app.web.cursors import encode_cursor

PAGE_SIZE = 50
MEMBERS_PAGE_SIZE = 20
MAX_GROUPS = 100


@blueprint.get("/segments")
@require_role("viewer")
def segments() -> Any:
    after = list_query.cursor("after", str, str)
    found = catalogue(
        SegmentPair(*after) if after else None, limit=PAGE_SIZE + 1, type_=list_query.text("type") or None
    )
    shown = found[:PAGE_SIZE]
    return render_template(
        "segments.html",
        types=[(type_, list(held)) for type_, held in groupby(shown, key=lambda size: size.type)],
        trends=trends(size.pair for size in shown),
        totals=totals(),
        following=list_query.url_with(after=encode_cursor(*shown[-1].pair)) if len(found) > PAGE_SIZE else None,
        first=list_query.url_with() if after else None,
    )


@blueprint.get("/look-alikes")
@require_role("viewer")
def look_alikes() -> Any:
    """Segments that may be one and the same in several spellings, side by side."""
    return render_template("look_alikes.html", groups=find_all_similar()[:MAX_GROUPS])


@blueprint.get("/segments/<segment_part:type>/<segment_part:value>")
@require_role("viewer")
def segment(type: str, value: str) -> Any:
    pair = SegmentPair(type, value)
    trend = trends([pair]).get(pair)
    if trend is None:
        raise NotFound("No customer has this segment, or ever had.")
    return render_template(
        "segment.html",
        segment=pair,
        customers=count_holders(pair),
        totals=totals(),
        trend=trend,
        days=days(),
        members=find_customers(Filter(segments=(pair,)), Order(), limit=MEMBERS_PAGE_SIZE),
    )
