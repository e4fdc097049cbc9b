"""The queue of deliveries: which webhook is due, and when a failed delivery is attempted again.

A lease in the webhook's row (`app.core.leases`) keeps several processes from sending at once; when a process dies, the
others continue after its lease ends.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.database import db, now, raise_if_unavailable, run_in_transaction
from app.core.leases import NO_LEASE, is_free, lease_values, new_lease, owned_update
from app.core.models.change_sets import ChangeSet
from app.webhooks.models import DELIVERED, FAILED, PENDING, Webhook, WebhookDelivery, get_webhook_in, new_delivery

webhooks = Webhook.__table__
deliveries = WebhookDelivery.__table__
change_sets = ChangeSet.__table__

LEASE = timedelta(minutes=2)
"""Longer than a delivery can take, including the look-up of the host's address."""

MAX_AGE = timedelta(hours=24)
MIN_RETRY_DELAY_S = 5.0
MAX_RETRY_DELAY_S = 3600.0

MAX_KEPT = 500
"""Ended deliveries kept of each webhook."""


@dataclass(frozen=True)
class DeliveryClaim:
    """A delivery that this process sends before its lease ends."""

    webhook: Webhook
    delivery: WebhookDelivery
    change_set: ChangeSet | None
    """None for an alert, a missed night or a test event, and if it was pruned before it was delivered."""
    lease: str


def claim_next() -> DeliveryClaim | None:
    """Claim the next delivery that is due; one query when there is none. Raises Unavailable."""
    try:
        found = db.session.execute(_next_due()).first()
        if found is None:
            return None
        webhook_id, retry_due = found
        settled = 0 if retry_due else dialects.settled_position(cast(Session, db.session))
    except (DBAPIError, PoolTimeout) as error:
        raise_if_unavailable(error)
        raise
    return run_in_transaction(lambda session: _claim(session, webhook_id, settled), wait=False)


def _next_due() -> Any:
    """Select the webhook that has waited longest, for another attempt or for the next change set."""
    pending = select(deliveries.c.id).where(deliveries.c.webhook_id == webhooks.c.id, deliveries.c.state == PENDING)
    retry_due = pending.where(deliveries.c.next_attempt_at <= now()).exists()
    # Not EXISTS: when no change set follows, PostgreSQL would search all of them.
    has_next = select(func.max(change_sets.c.position)).scalar_subquery() > webhooks.c.position
    return (
        select(webhooks.c.id, retry_due)
        .where(*_is_available(), or_(retry_due, and_(~pending.exists(), has_next)))
        .order_by(webhooks.c.last_attempt_at, webhooks.c.id)
        .limit(1)
    )


def _is_available() -> tuple[ColumnElement[bool], ...]:
    return webhooks.c.paused_at.is_(None), is_free(webhooks, LEASE)


def _claim(session: Session, webhook_id: int, settled: int) -> DeliveryClaim | None:
    at, lease = now(), new_lease()
    claim = update(webhooks).where(webhooks.c.id == webhook_id, *_is_available()).values(lease_values(lease, LEASE))
    if not session.execute(claim).rowcount:  # type: ignore[attr-defined]
        return None  # another process was faster
    webhook = get_webhook_in(session, webhook_id)
    delivery = _retry_due(session, webhook, at) or _next_in_feed(session, webhook, settled, at)
    if delivery is None:
        session.rollback()
        return None
    session.flush()
    change_set = session.get(ChangeSet, delivery.change_set_id) if delivery.change_set_id else None
    return DeliveryClaim(webhook, delivery, change_set, lease)


def _pending(session: Session, webhook: Webhook) -> list[WebhookDelivery]:
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.state == PENDING)
    return list(session.scalars(query.order_by(WebhookDelivery.id)))


def _retry_due(session: Session, webhook: Webhook, at: datetime) -> WebhookDelivery | None:
    return next((delivery for delivery in _pending(session, webhook) if delivery.next_attempt_at <= at), None)


def _next_in_feed(session: Session, webhook: Webhook, settled: int, at: datetime) -> WebhookDelivery | None:
    """Create the delivery of the next change set, unless an earlier one is still pending."""
    if _pending(session, webhook):
        return None
    query = select(ChangeSet).where(ChangeSet.position > webhook.position, ChangeSet.position <= settled)
    change_set = session.scalar(query.order_by(ChangeSet.position).limit(1))
    if change_set is None:
        return None
    webhook.position = change_set.position or 0
    delivery = new_delivery(webhook.id, change_set.id, at, MAX_AGE)
    session.add(delivery)
    _delete_old(session, webhook)
    return delivery


def _delete_old(session: Session, webhook: Webhook) -> None:
    ended = select(WebhookDelivery.id).where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.state != PENDING)
    last_deleted = ended.order_by(WebhookDelivery.id.desc()).offset(MAX_KEPT).limit(1).scalar_subquery()
    session.execute(
        delete(WebhookDelivery).where(
            WebhookDelivery.webhook_id == webhook.id,
            WebhookDelivery.state != PENDING,
            WebhookDelivery.id <= last_deleted,
        )
    )


@dataclass(frozen=True)
class AttemptResult:
    """What became of one attempt."""

    delivered: bool
    response: str
    """`204 No Content`, or why there was no response."""
    permanent: bool = False
    """Whether another attempt is pointless."""
    endpoint_gone: bool = False
    """Whether the receiver wants no more deliveries: 410 Gone pauses the webhook."""
    retry_after_s: float = 0.0
    """The least delay before the next attempt, from the header `Retry-After`."""


def complete(claim: DeliveryClaim, result: AttemptResult) -> None:
    """Record the result of an attempt and release the webhook.

    Raises Unavailable; then the delivery is sent again after the lease has ended.
    """

    def work(session: Session) -> None:
        at = now()
        values = {**NO_LEASE, "last_attempt_at": at}
        if result.endpoint_gone:
            values["paused_at"] = at
        released = owned_update(webhooks, claim.webhook.id, claim.lease).values(values)
        if not session.execute(released).rowcount:  # type: ignore[attr-defined]
            return  # the lease has ended, or the webhook was deleted
        delivery = session.get_one(WebhookDelivery, claim.delivery.id)
        delivery.attempts += 1
        delivery.last_attempt_at, delivery.last_response = at, result.response
        if result.delivered:
            delivery.state = DELIVERED
        elif result.permanent or at >= delivery.give_up_at:
            delivery.state = FAILED
        else:
            delay = max(retry_delay(delivery.attempts), timedelta(seconds=result.retry_after_s))
            delivery.next_attempt_at = min(at + delay, delivery.give_up_at)

    run_in_transaction(work)


def skip(claim: DeliveryClaim) -> None:
    """Delete the delivery of a change set that the webhook does not select, and release the webhook.

    Raises Unavailable; then the delivery is claimed again after the lease has ended.
    """

    def work(session: Session) -> None:
        values = {**NO_LEASE, "last_attempt_at": now()}  # so that other webhooks get their turn
        released = owned_update(webhooks, claim.webhook.id, claim.lease).values(values)
        if session.execute(released).rowcount:  # type: ignore[attr-defined]
            session.execute(delete(WebhookDelivery).where(WebhookDelivery.id == claim.delivery.id))

    run_in_transaction(work)


def retry_delay(attempts: int) -> timedelta:
    """Return the delay before the next attempt: doubled each time up to an hour, plus up to half of it at random.

    The random part keeps receivers that were unavailable together from being tried at the same moment.
    """
    shortest = min(MIN_RETRY_DELAY_S * 2 ** min(attempts - 1, 20), MAX_RETRY_DELAY_S)
    return timedelta(seconds=shortest * random.uniform(1, 1.5))  # noqa: S311 - jitter, not a secret
