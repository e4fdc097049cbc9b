"""The event `night.missed`: queued for the webhooks in the transaction that records a missed night."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.missed_nights import check_nights
from app.core.models.missed_nights import MissedNight
from app.webhooks.messages import NIGHT_MISSED, build_message
from app.webhooks.models import Webhook, new_delivery
from app.webhooks.queue import MAX_AGE


def check_missed_nights(zone: str, moment: datetime) -> int:
    """Record the nights missed by a moment, and queue messages to webhooks; return how many. Raises Unavailable."""
    return check_nights(zone, moment, queue_missed_night)


def queue_missed_night(session: Session, night: MissedNight) -> None:
    """Queue a delivery to each webhook that selects the event, also to paused ones."""
    for webhook in session.scalars(select(Webhook).order_by(Webhook.id)):
        if webhook.selects(NIGHT_MISSED):
            delivery = new_delivery(webhook.id, None, night.missed_at, MAX_AGE)
            delivery.message = build_message(NIGHT_MISSED, night.missed_at, night=night)
            session.add(delivery)
