"""The overview: totals, recent changes, and rejected requests."""

from datetime import timedelta
from typing import Any

from flask import render_template

from app.access.missed_nights import missing_senders
from app.access.refusal_counts import refusals_since
from app.core.counts.customer_totals import totals
from app.core.counts.hourly_deltas import largest_deltas
from app.core.counts.segment_counts import largest_segments
from app.core.database import now
from app.core.history.change_sets import (
    ChangeSetFilter,
    count_changed_between,
    count_changed_by_source,
    list_change_sets,
)
from app.core.history.nightly_senders import LateSender
from app.core.models.segment_alerts import list_raised
from app.jobs.held_changes import count_held
from app.jobs.scheduled_changes import list_scheduled_changes
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.days import last_days, start_of_day, start_of_next_day, time_zone
from app.web.replica_reads import from_replica

DAY = timedelta(days=1)
CHART_DAYS = 14
MAX_SEGMENTS = 8
MAX_RECENT_CHANGES = 6
MAX_ALERTS = 20


@blueprint.get("/")
@require_role("viewer")
@from_replica
def overview() -> Any:
    moment = now()
    days = last_days(CHART_DAYS)
    return render_template(
        "overview.html",
        totals=totals(),
        held=count_held(),
        alerts=list_raised(MAX_ALERTS),
        late=_late_senders(),
        sources=count_changed_by_source(moment - DAY),
        refusals=refusals_since(moment - DAY),
        deltas=largest_deltas(moment - DAY, limit=MAX_SEGMENTS),
        scheduled=list_scheduled_changes(with_failed=True),
        recent=list_change_sets(ChangeSetFilter(), limit=MAX_RECENT_CHANGES),
        days=days,
        changed_by_day=count_changed_between([*map(start_of_day, days), start_of_next_day(days[-1])]),
        largest=largest_segments(limit=MAX_SEGMENTS),
    )


def _late_senders() -> list[LateSender]:
    return missing_senders(time_zone(), now())
