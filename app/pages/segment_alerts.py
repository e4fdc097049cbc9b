"""Alerts on the size of a segment or of all segments of a type: set by editors, shown while they are raised."""

from typing import Any

from flask import flash, redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import IntegerField
from wtforms.validators import NumberRange, Optional

from app.core.counts.size_alerts import load_sizes
from app.core.database import db, now
from app.core.models.segment_alerts import CONDITIONS, THRESHOLDS, Condition, Size, Watched, list_alerts, list_raised
from app.pages import blueprint
from app.pages.auth import require_role
from app.webhooks.segment_alerts import change_alerts

SEGMENT_URL = "/segments/<segment_part:type>/<segment_part:value>/alerts"
TYPE_URL = "/segment-types/<segment_part:type>/alerts"
MAX_RAISED = 20


class AlertsForm(FlaskForm):  # type: ignore[misc]
    below = IntegerField(
        lazy_gettext("Alert when below"),
        [Optional(), NumberRange(*THRESHOLDS["below"], lazy_gettext("Must be 1 or more."))],
        description=lazy_gettext("Customers. Leave empty for no alert."),
    )
    above = IntegerField(
        lazy_gettext("Alert when above"),
        [Optional(), NumberRange(*THRESHOLDS["above"], lazy_gettext("Must be 0 or more."))],
        description=lazy_gettext("Customers. Leave empty for no alert."),
    )
    change = IntegerField(
        lazy_gettext("Alert when it changes by more than (%)"),
        [Optional(), NumberRange(*THRESHOLDS["change"], lazy_gettext("Must be 0 or more."))],
        description=lazy_gettext("Within 24 hours, up or down. 20 is a good value."),
    )

    def thresholds(self) -> dict[Condition, int]:
        fields = {condition: self[condition].data for condition in CONDITIONS}
        return {condition: threshold for condition, threshold in fields.items() if threshold is not None}


@blueprint.get(SEGMENT_URL)
@require_role("viewer")
def segment_alerts(type: str, value: str) -> Any:
    return _page(Watched(type, value))


@blueprint.get(TYPE_URL)
@require_role("viewer")
def type_alerts(type: str) -> Any:
    return _page(Watched(type))


def _page(watched: Watched, form: AlertsForm | None = None) -> Any:
    alerts = list_alerts(watched)
    form = form or AlertsForm(data={alert.condition: alert.threshold for alert in alerts})
    size = load_sizes(db.session(), [watched], now()).get(watched, Size())
    return render_template(
        "segment_alerts.html",
        watched=watched,
        form=form,
        size=size,
        alerts=alerts,
        raised=list_raised(MAX_RAISED, watched),
    ), 422 if form.errors else 200


@blueprint.post(SEGMENT_URL)
@require_role("editor")
def segment_alerts_save(type: str, value: str) -> Any:
    return _save(Watched(type, value))


@blueprint.post(TYPE_URL)
@require_role("editor")
def type_alerts_save(type: str) -> Any:
    return _save(Watched(type))


def _save(watched: Watched) -> Any:
    """Save the alerts, and check them at once."""
    form = AlertsForm()
    if not form.validate_on_submit():
        return _page(watched, form)
    change_alerts(watched, form.thresholds())
    flash(_("Saved."))
    return redirect(request.path)
