"""The overview: did last night's sync go well?"""

from datetime import timedelta
from typing import Any

from flask import render_template

from app.access.refusal_counts import refusals_since
from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import largest_segments
from app.core.counts.segment_deltas import largest_deltas
from app.core.database import now
from app.core.history.change_sets import (
    ChangeSetFilter,
    count_changed_by_day,
    count_changed_by_source,
    list_change_sets,
)
from app.pages import blueprint
from app.pages.auth import require_role

DAY = timedelta(days=1)
CHART_DAYS = 14
MAX_DELTAS = 8
MAX_RECENT = 6


@blueprint.get("/")
@require_role("viewer")
def overview() -> Any:
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - (CHART_DAYS - 1) * DAY
    changed = count_changed_by_day(since, CHART_DAYS)
    return render_template(
        "overview.html",
        totals=totals(),
        sources=count_changed_by_source(now() - DAY),
        refused=refusals_since((now() - DAY).date()),
        movements=largest_deltas(now() - DAY, limit=MAX_DELTAS),
        newest=list_change_sets(ChangeSetFilter(), limit=MAX_RECENT),
        days=[(since + n * DAY).date() for n in range(CHART_DAYS)],
        changed=changed,
        largest=largest_segments(limit=MAX_DELTAS),
    )
