"""The catalogue of segments, and one segment with its customers."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import count_holders
from app.core.counts.trends import PERIODS, Period, days, trends
from app.core.errors import NoLongerRetained, NotFound
from app.core.history.past_catalogue import sizes_at_moments
from app.core.models.segment_alerts import Watched, list_alerts
from app.core.models.segment_rules import load_rules
from app.core.models.segments import SegmentPair
from app.core.search.catalogue import CatalogueOrder, search_catalogue
from app.core.search.customers import find_customers
from app.core.search.filters import Filter, Order
from app.jobs.scheduled_changes import scheduled_for_segment
from app.pages import blueprint, list_query
from app.pages.auth import require_role
from app.pages.days import end_of_day, time_zone, today
from app.pages.list_query import ListUrl, filter_parameters, parse_filter
from app.pages.template_filters import time_zone_name
from app.web.cursors import encode_cursor
from app.web.replica_reads import from_replica

PAGE_SIZE = 50
MEMBERS_PAGE_SIZE = 20
MAX_TYPE_LINKS = 60


@dataclass(frozen=True)
class CatalogueFilter:
    """Which segments the catalogue lists."""

    type: str | None = None
    q: str = ""
    sort: CatalogueOrder | None = None


@dataclass(frozen=True)
class TrendFilter:
    """Which days the chart of a segment has."""

    period: Period | None = None


PERIOD_LABELS = dict(
    zip(PERIODS, (lazy_gettext("30 days"), lazy_gettext("90 days"), lazy_gettext("12 months")), strict=True)
)


@blueprint.get("/segments")
@require_role("viewer")
@from_replica
def segments() -> Any:
    filter_, after = parse_filter(CatalogueFilter), list_query.cursor("after", int)
    start = after[0] if after else 0
    page = search_catalogue(filter_.q, type_=filter_.type, order=filter_.sort or "name", start=start, limit=PAGE_SIZE)
    urls = ListUrl(filter_parameters(filter_))
    return render_template(
        "segments.html",
        filter=filter_,
        list_url=urls,
        max_type_links=MAX_TYPE_LINKS,
        types=[(type_, list(group)) for type_, group in groupby(page.rows, key=lambda row: row.type)],
        type_totals={total.type: total for total in page.types},
        trends=trends([row.pair for row in page.rows], days(), time_zone()),
        totals=totals(),
        rules=load_rules().by_type,
        next_url=urls.changed(after=encode_cursor(start + PAGE_SIZE)) if page.has_more else None,
        first_url=urls.changed() if after else None,
    )


@blueprint.get("/segments/<segment_part:type>/<segment_part:value>")
@require_role("viewer")
@from_replica
def segment(type: str, value: str) -> Any:
    pair, period = SegmentPair(type, value), parse_filter(TrendFilter).period or "quarter"
    customers, scheduled = count_holders(pair), scheduled_for_segment(pair)
    trend_days, zone, sizes = _daily_sizes(pair, customers, period)
    if sizes is None and not scheduled:
        raise NotFound(_("Segment not found."))
    filter_ = Filter(segments=(pair,))
    return render_template(
        "segment.html",
        segment=pair,
        list_parameters=filter_parameters(filter_),
        customers=customers,
        totals=totals(),
        sizes=sizes or [0] * len(trend_days),
        scheduled=scheduled,
        alerts=list_alerts(Watched(type, value)),
        days=trend_days,
        zone=zone,
        period=period,
        periods=PERIOD_LABELS,
        week=7 if period != "year" else None,
        rule=load_rules().by_type.get(type),
        members=find_customers(filter_, Order(), limit=MEMBERS_PAGE_SIZE),
    )


def _daily_sizes(pair: SegmentPair, customers: int, period: Period) -> tuple[list[date], str, list[int] | None]:
    """Return the days of the chart, their time zone, and the sizes at their ends; None if no customer ever had it.

    Days that are only partly on record are those of the ledger, in UTC.
    """
    local_days, sizes = days(period, today()), None
    with suppress(NoLongerRetained):
        sizes = sizes_at_moments(pair, customers, [end_of_day(day) for day in local_days])
    if sizes and any(sizes):
        return local_days, time_zone_name(), sizes
    trend = trends([pair], days(period)).get(pair)
    return days(period), "UTC", trend.customers if trend else None
