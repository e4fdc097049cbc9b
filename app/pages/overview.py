"""The overview: did last night's sync go well?"""

from datetime import timedelta
from typing import Any

from flask import render_template

from app.access.refusal_counts import refused_since
from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import largest_segments
from app.core.counts.segment_deltas import biggest_movements
from app.core.database import now
from app.core.history.change_sets import Chosen, changed_by_day, changed_by_source, list_change_sets
from app.pages import blueprint
from app.pages.auth import open_to

DAY = timedelta(days=1)
CHART_DAYS = 14
MOST_MOVEMENTS = 8
NEWEST = 6


@blueprint.get("/")
@open_to("viewer")
def overview() -> Any:
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - (CHART_DAYS - 1) * DAY
    changed = changed_by_day(since, CHART_DAYS)
    return render_template(
        "overview.html",
        totals=totals(),
        sources=changed_by_source(now() - DAY),
        refused=refused_since((now() - DAY).date()),
        movements=biggest_movements(now() - DAY, most=MOST_MOVEMENTS),
        newest=list_change_sets(Chosen(), most=NEWEST),
        days=[(since + n * DAY).date() for n in range(CHART_DAYS)],
        changed=changed,
        largest=largest_segments(most=MOST_MOVEMENTS),
    )
