"""Webhooks: who is told of every change set, and how far each of them has been told.

A webhook has a place in the change feed, and is told of the next change set once the one before was accepted, or given
up: nothing is written for it while segments are changed. Whose turn it is to send is decided by a lease in its row, so
that several processes never send the same at once; one that dies leaves it to the others when the lease ends.
"""

import random
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, ForeignKey, Index, and_, delete, func, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.changes import ChangeSet
from app.core.database import Base, Moment, db, in_transaction, now, raise_unavailable
from app.core.errors import NotFound

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"

LEASE = timedelta(minutes=2)
"""Longer than sending can take, the search for the host's address included."""

GIVEN_UP_AFTER = timedelta(hours=24)
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 3600.0

KEPT = 500
"""Deliveries kept of each webhook, beside those that wait."""

MOST_BEHIND = 1_000


class Webhook(Base):
    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    url: Mapped[str]
    salt: Mapped[str]
    """What, together with SECRET_KEY, makes the secret; without that key the database tells no secret."""
    secret_digest: Mapped[str]
    previous_salt: Mapped[str | None]
    """Of the secret before the last rotation, which signs as well until `previous_until`."""
    previous_until: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    paused_at: Mapped[datetime | None] = mapped_column(Moment)
    position: Mapped[int] = mapped_column(dialects.Id)
    """Its place in the change feed: of the last change set for which there was a delivery."""
    lease: Mapped[str | None]
    leased_until: Mapped[datetime] = mapped_column(Moment)
    """When nobody sends, the moment at which somebody last did."""

    @property
    def overlapping(self) -> bool:
        return bool(self.previous_until and self.previous_until > now())


class WebhookDelivery(Base):
    """One change set to be told to one webhook, or told already."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_webhook_id_state", "webhook_id", "state"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    change_set_id: Mapped[int] = mapped_column(dialects.Id)
    message_id: Mapped[str] = mapped_column(unique=True)
    """By this the receiver recognises what comes a second time."""
    state: Mapped[str]
    """WAITING, DELIVERED or FAILED."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime] = mapped_column(Moment)
    give_up_at: Mapped[datetime] = mapped_column(Moment)
    last_attempt_at: Mapped[datetime | None] = mapped_column(Moment)
    last_answer: Mapped[str | None]
    """`answered 500`, `no answer within 10 seconds`: never what stood in the answer."""


webhooks = Webhook.__table__
deliveries = WebhookDelivery.__table__
sets = ChangeSet.__table__


def create_webhook(url: str, salt: str, secret_digest: str) -> int:
    """The id of a new webhook, which is told of what changes from now on."""
    settled = in_transaction(dialects.settled_position, keep=False)

    def work(session: Session) -> int:
        at = now()
        newest = session.scalar(select(func.max(ChangeSet.position)).where(ChangeSet.position <= settled))
        webhook = Webhook(
            url=url, salt=salt, secret_digest=secret_digest, created_at=at, position=newest or 0, leased_until=at
        )
        session.add(webhook)
        session.flush()
        return webhook.id

    return in_transaction(work)


def find_webhook(webhook_id: int) -> Webhook:
    """Raises NotFound."""
    return _found(cast(Session, db.session), webhook_id)


def all_webhooks() -> list[tuple[Webhook, WebhookDelivery | None]]:
    """Every webhook with its last attempt."""
    last = (
        select(func.max(WebhookDelivery.id))
        .where(WebhookDelivery.webhook_id == Webhook.id, WebhookDelivery.attempts > 0)
        .correlate(Webhook)
        .scalar_subquery()
    )
    query = select(Webhook, WebhookDelivery).outerjoin(WebhookDelivery, WebhookDelivery.id == last).order_by(Webhook.id)
    return [(webhook, delivery) for webhook, delivery in db.session.execute(query)]


def deliveries_of(webhook_id: int, most: int) -> list[WebhookDelivery]:
    """The newest first."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    return list(db.session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(most)))


def behind(webhook: Webhook) -> int:
    """How many change sets are to be told after the delivery that is there; at most MOST_BEHIND are counted."""
    coming = select(ChangeSet.id).where(ChangeSet.position > webhook.position).order_by(ChangeSet.position)
    return db.session.scalar(select(func.count()).select_from(coming.limit(MOST_BEHIND).subquery())) or 0


def set_paused(webhook_id: int, paused: bool) -> None:
    """Send nothing more, or go on where it stopped. Raises NotFound."""

    def work(session: Session) -> None:
        webhook = _found(session, webhook_id)
        webhook.paused_at = (webhook.paused_at or now()) if paused else None

    in_transaction(work)


def rotate_webhook(webhook_id: int, salt: str, secret_digest: str, overlap: timedelta) -> None:
    """Sign with another secret, and with the present one as well for that long. Raises NotFound."""

    def work(session: Session) -> None:
        webhook = _found(session, webhook_id)
        webhook.previous_salt = webhook.salt if overlap else None
        webhook.previous_until = now() + overlap if overlap else None
        webhook.salt, webhook.secret_digest = salt, secret_digest

    in_transaction(work)


def delete_webhook(webhook_id: int) -> None:
    """With its deliveries. Raises NotFound."""
    in_transaction(lambda session: session.delete(_found(session, webhook_id)))


def send_again(webhook_id: int, delivery_id: int) -> None:
    """Try a delivery at once; one that had ended gets a single further attempt. Raises NotFound."""

    def work(session: Session) -> None:
        delivery = session.get(WebhookDelivery, delivery_id)
        if delivery is None or delivery.webhook_id != webhook_id:
            raise NotFound("There is no such delivery, or it is no longer kept.")
        at = now()
        delivery.next_attempt_at = at
        if delivery.state != WAITING:
            delivery.state, delivery.give_up_at = WAITING, at

    in_transaction(work)


def _found(session: Session, webhook_id: int) -> Webhook:
    webhook = session.get(Webhook, webhook_id)
    if webhook is None:
        raise NotFound("There is no such webhook.")
    return webhook


# Sending


@dataclass(frozen=True)
class Turn:
    """A delivery that is this process's to send, until its lease ends."""

    webhook: Webhook
    delivery: WebhookDelivery
    change_set: ChangeSet | None
    """None if it was pruned before its turn came."""
    lease: str


def take_turn() -> Turn | None:
    """The next delivery to be sent, if there is any. One query when there is none. Raises Unavailable."""
    try:
        found = db.session.execute(_whose_turn()).first()
        if found is None:
            return None
        webhook_id, due = found
        settled = 0 if due else dialects.settled_position(cast(Session, db.session))
    except (DBAPIError, PoolTimeout) as error:
        raise_unavailable(error)
        raise
    return in_transaction(lambda session: _take(session, webhook_id, settled), patient=False)


def _whose_turn() -> Any:
    """Who has waited longest: for another attempt, or for the next change set."""
    at = now()
    waiting = select(deliveries.c.id).where(deliveries.c.webhook_id == webhooks.c.id, deliveries.c.state == WAITING)
    due = waiting.where(deliveries.c.next_attempt_at <= at).exists()
    # Not EXISTS: where nothing is to come, PostgreSQL would look for it through all change sets.
    coming = select(func.max(sets.c.position)).scalar_subquery() > webhooks.c.position
    return (
        select(webhooks.c.id, due)
        .where(*_free(at), or_(due, and_(~waiting.exists(), coming)))
        .order_by(webhooks.c.leased_until, webhooks.c.id)
        .limit(1)
    )


def _free(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return webhooks.c.paused_at.is_(None), webhooks.c.leased_until <= at


def _take(session: Session, webhook_id: int, settled: int) -> Turn | None:
    at, lease = now(), secrets.token_hex(8)
    claim = update(webhooks).where(webhooks.c.id == webhook_id, *_free(at)).values(lease=lease, leased_until=at + LEASE)
    if not session.execute(claim).rowcount:  # type: ignore[attr-defined]
        return None  # another process was faster
    webhook = _found(session, webhook_id)
    delivery = _due(session, webhook, at) or _from_feed(session, webhook, settled, at)
    if delivery is None:
        session.rollback()
        return None
    session.flush()
    return Turn(webhook, delivery, session.get(ChangeSet, delivery.change_set_id), lease)


def _waiting(session: Session, webhook: Webhook) -> list[WebhookDelivery]:
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.state == WAITING)
    return list(session.scalars(query.order_by(WebhookDelivery.id)))


def _due(session: Session, webhook: Webhook, at: datetime) -> WebhookDelivery | None:
    return next((one for one in _waiting(session, webhook) if one.next_attempt_at <= at), None)


def _from_feed(session: Session, webhook: Webhook, settled: int, at: datetime) -> WebhookDelivery | None:
    """A delivery for the change set that comes next in the feed, unless an earlier one is still under way."""
    if _waiting(session, webhook):
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
        state=WAITING,
        created_at=at,
        attempts=0,
        next_attempt_at=at,
        give_up_at=at + GIVEN_UP_AFTER,
    )
    session.add(delivery)
    _forget_old(session, webhook)
    return delivery


def _forget_old(session: Session, webhook: Webhook) -> None:
    ended = select(WebhookDelivery.id).where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.state != WAITING)
    outdated = ended.order_by(WebhookDelivery.id.desc()).offset(KEPT).limit(1).scalar_subquery()
    session.execute(
        delete(WebhookDelivery).where(
            WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.state != WAITING, WebhookDelivery.id <= outdated
        )
    )


def end_turn(turn: Turn, delivered: bool, answer: str, *, for_good: bool = False) -> None:
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
            delivery.next_attempt_at = min(at + pause_after(delivery.attempts), delivery.give_up_at)

    in_transaction(work)


def pause_after(attempts: int) -> timedelta:
    """Twice as long after each attempt, up to an hour; by chance up to half as long again as necessary.

    So that receivers which were away together are not all tried in the same moment.
    """
    least = min(FIRST_PAUSE_S * 2 ** min(attempts - 1, 20), LONGEST_PAUSE_S)
    return timedelta(seconds=least * random.uniform(1, 1.5))  # noqa: S311 - jitter, not a secret
