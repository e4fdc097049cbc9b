"""Whose turn it is to be told of which change set, and when it comes again.

That is decided by a lease in the webhook's row, so that several processes never send the same at once; one that dies
leaves it to the others when the lease ends.
"""

import random
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.database import db, now, raise_if_unavailable, run_in_transaction
from app.core.models.change_sets import ChangeSet
from app.webhooks.models import DELIVERED, FAILED, PENDING, Webhook, WebhookDelivery, get_webhook_in

webhooks = Webhook.__table__
deliveries = WebhookDelivery.__table__
sets = ChangeSet.__table__

LEASE = timedelta(minutes=2)
"""Longer than sending can take, the search for the host's address included."""

MAX_AGE = timedelta(hours=24)
MIN_RETRY_DELAY_S = 5.0
MAX_RETRY_DELAY_S = 3600.0

MAX_KEPT = 500
"""Deliveries kept of each webhook, beside those that wait."""


@dataclass(frozen=True)
class DeliveryClaim:
    """A delivery that is this process's to send, until its lease ends."""

    webhook: Webhook
    delivery: WebhookDelivery
    change_set: ChangeSet | None
    """None if it was pruned before its turn came."""
    lease: str


def claim_next() -> DeliveryClaim | None:
    """The next delivery to be sent, if there is any. One query when there is none. Raises Unavailable."""
    try:
        found = db.session.execute(_next_due()).first()
        if found is None:
            return None
        webhook_id, due = found
        settled = 0 if due else dialects.settled_position(cast(Session, db.session))
    except (DBAPIError, PoolTimeout) as error:
        raise_if_unavailable(error)
        raise
    return run_in_transaction(lambda session: _claim(session, webhook_id, settled), patient=False)


def _next_due() -> Any:
    """Who has waited longest: for another attempt, or for the next change set."""
    at = now()
    waiting = select(deliveries.c.id).where(deliveries.c.webhook_id == webhooks.c.id, deliveries.c.state == PENDING)
    due = waiting.where(deliveries.c.next_attempt_at <= at).exists()
    # Not EXISTS: where nothing is to come, PostgreSQL would look for it through all change sets.
    coming = select(func.max(sets.c.position)).scalar_subquery() > webhooks.c.position
    return (
        select(webhooks.c.id, due)
        .where(*_is_free(at), or_(due, and_(~waiting.exists(), coming)))
        .order_by(webhooks.c.leased_until, webhooks.c.id)
        .limit(1)
    )


def _is_free(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return webhooks.c.paused_at.is_(None), webhooks.c.leased_until <= at


def _claim(session: Session, webhook_id: int, settled: int) -> DeliveryClaim | None:
    at, lease = now(), secrets.token_hex(8)
    claim = (
        update(webhooks).where(webhooks.c.id == webhook_id, *_is_free(at)).values(lease=lease, leased_until=at + LEASE)
    )
    if not session.execute(claim).rowcount:  # type: ignore[attr-defined]
        return None  # another process was faster
    webhook = get_webhook_in(session, webhook_id)
    delivery = _due(session, webhook, at) or _from_feed(session, webhook, settled, at)
    if delivery is None:
        session.rollback()
        return None
    session.flush()
    return DeliveryClaim(webhook, delivery, session.get(ChangeSet, delivery.change_set_id), lease)


def _pending(session: Session, webhook: Webhook) -> list[WebhookDelivery]:
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.state == PENDING)
    return list(session.scalars(query.order_by(WebhookDelivery.id)))


def _due(session: Session, webhook: Webhook, at: datetime) -> WebhookDelivery | None:
    return next((one for one in _pending(session, webhook) if one.next_attempt_at <= at), None)


def _from_feed(session: Session, webhook: Webhook, settled: int, at: datetime) -> WebhookDelivery | None:
    """A delivery for the change set that comes next in the feed, unless an earlier one is still under way."""
    if _pending(session, webhook):
        return None
    query = select(ChangeSet).where(ChangeSet.position > webhook.position, ChangeSet.position <= settled)
    change_set = session.scalar(query.order_by(ChangeSet.position).limit(1))
    if change_set is None:
        return None
    webhook.position = change_set.position
    delivery = WebhookDelivery(
        webhook_id=webhook.id,
        change_set_id=change_set.id,
        message_id=f"msg_{secrets.token_urlsafe(16)}",
        state=PENDING,
        created_at=at,
        attempts=0,
        next_attempt_at=at,
        give_up_at=at + MAX_AGE,
    )
    session.add(delivery)
    _delete_old(session, webhook)
    return delivery


def _delete_old(session: Session, webhook: Webhook) -> None:
    ended = select(WebhookDelivery.id).where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.state != PENDING)
    outdated = ended.order_by(WebhookDelivery.id.desc()).offset(MAX_KEPT).limit(1).scalar_subquery()
    session.execute(
        delete(WebhookDelivery).where(
            WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.state != PENDING, WebhookDelivery.id <= outdated
        )
    )


def complete(turn: DeliveryClaim, delivered: bool, answer: str, *, for_good: bool = False) -> None:
    """Note what became of an attempt, and let the next one have its turn; `for_good` gives up at once.

    Raises Unavailable; then the delivery is sent again once the lease has ended.
    """

    def work(session: Session) -> None:
        at = now()
        mine = update(webhooks).where(webhooks.c.id == turn.webhook.id, webhooks.c.lease == turn.lease)
        if not session.execute(mine.values(lease=None, leased_until=at)).rowcount:  # type: ignore[attr-defined]
            return  # it took longer than its lease, or the webhook is deleted: this is no longer ours to tell
        delivery = session.get_one(WebhookDelivery, turn.delivery.id)
        delivery.attempts += 1
        delivery.last_attempt_at, delivery.last_answer = at, answer
        if delivered:
            delivery.state = DELIVERED
        elif for_good or at >= delivery.give_up_at:
            delivery.state = FAILED
        else:
            delivery.next_attempt_at = min(at + retry_delay(delivery.attempts), delivery.give_up_at)

    run_in_transaction(work)


def retry_delay(attempts: int) -> timedelta:
    """Twice as long after each attempt, up to an hour; by chance up to half as long again as necessary.

    So that receivers which were away together are not all tried in the same moment.
    """
    least = min(MIN_RETRY_DELAY_S * 2 ** min(attempts - 1, 20), MAX_RETRY_DELAY_S)
    return timedelta(seconds=least * random.uniform(1, 1.5))  # noqa: S311 - jitter, not a secret
