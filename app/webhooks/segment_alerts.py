"""The event `segment.alert`: queued for the webhooks in the transaction that raises or clears an alert."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.audit_log import record_event_now
from app.core.counts.size_alerts import check_alerts
from app.core.models.segment_alerts import Condition, RaisedAlert, Watched, save_alerts
from app.core.models.segments import SegmentPair
from app.serialization.segment_notation import format_segment
from app.webhooks.messages import SEGMENT_ALERT, build_message
from app.webhooks.models import Webhook, new_delivery
from app.webhooks.queue import MAX_AGE


def check_segment_alerts() -> int:
    """Raise and clear the alerts that are due, and queue messages to webhooks; return how many. Raises Unavailable."""
    return check_alerts(queue_alert)


def change_alerts(watched: Watched, thresholds: Mapping[Condition, int]) -> None:
    """Watch a segment or type for these conditions alone, and check them at once. Raises Unavailable."""
    save_alerts(watched, thresholds)
    name = watched.type if watched.value is None else format_segment(SegmentPair(watched.type, watched.value))
    record_event_now("segment_alerts_changed", name, after=dict(thresholds))
    check_segment_alerts()


def queue_alert(session: Session, alert: RaisedAlert) -> None:
    """Queue a delivery to each webhook that selects the event for this type, also to paused ones."""
    at = alert.cleared_at or alert.raised_at
    for webhook in session.scalars(select(Webhook).order_by(Webhook.id)):
        if webhook.selects(SEGMENT_ALERT, alert.type):
            delivery = new_delivery(webhook.id, None, at, MAX_AGE)
            delivery.message = build_message(SEGMENT_ALERT, at, alert=alert)
            session.add(delivery)
