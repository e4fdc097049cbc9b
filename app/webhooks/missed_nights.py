"""The event `night.missed`: queued for the webhooks in the transaction that records a missed night."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.missed_nights import check_nights
from app.core.models.missed_nights import MissedNight
from app.serialization.change_set_json import format_rfc3339, serialize_id
from app.webhooks.models import Webhook, new_delivery
from app.webhooks.queue import MAX_AGE


def check_missed_nights(zone: str, moment: datetime) -> int:
    """Record the nights missed by a moment, and queue messages to webhooks; return how many. Raises Unavailable."""
    return check_nights(zone, moment, queue_missed_night)


def queue_missed_night(session: Session, night: MissedNight) -> None:
    """Queue a delivery to each webhook, also to paused ones, without a filter: a missed night has no segment types."""
    for webhook in session.scalars(select(Webhook).order_by(Webhook.id)):
        if not webhook.types:
            delivery = new_delivery(webhook.id, None, night.missed_at, MAX_AGE)
            delivery.message = missed_night_message(night)
            session.add(delivery)


def missed_night_message(night: MissedNight) -> dict[str, Any]:
    """Return the body of a delivery. Who did not come made the change set that it names."""
    data = {
        "usuallyBy": format_rfc3339(night.usually_by),
        "lastAt": format_rfc3339(night.last_at),
        "lastChangeSet": serialize_id(night.last_change_set_id),
    }
    return {"type": "night.missed", "timestamp": format_rfc3339(night.missed_at), "data": {"night": data}}
