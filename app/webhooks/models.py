"""Webhooks: who is told of every change set, and how far each of them has been told.

A webhook has a place in the change feed, and is told of the next change set once the one before was accepted, or given
up: nothing is written for it while segments are changed. app.webhooks.queue decides whose turn it is.
"""

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import NotFound
from app.core.models.change_sets import ChangeSet

PENDING, DELIVERED, FAILED = "waiting", "delivered", "failed"

MAX_PENDING_COUNTED = 1_000


class Webhook(Base):
    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    url: Mapped[str]
    salt: Mapped[str]
    """What, together with SECRET_KEY, makes the secret; without that key the database tells no secret."""
    secret_digest: Mapped[str]
    previous_salt: Mapped[str | None]
    """Of the secret before the last rotation, which signs as well until `previous_until`."""
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    position: Mapped[int] = mapped_column(dialects.Id)
    """Its place in the change feed: of the last change set for which there was a delivery."""
    lease: Mapped[str | None]
    leased_until: Mapped[datetime] = mapped_column(UtcDateTime)
    """When nobody sends, the moment at which somebody last did."""

    @property
    def in_rotation(self) -> bool:
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
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime)
    give_up_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_answer: Mapped[str | None]
    """`answered 500`, `no answer within 10 seconds`: never what stood in the answer."""


def create_webhook(url: str, salt: str, secret_digest: str) -> int:
    """The id of a new webhook, which is told of what changes from now on."""
    settled = run_in_transaction(dialects.settled_position, keep=False)

    def work(session: Session) -> int:
        at = now()
        newest = session.scalar(select(func.max(ChangeSet.position)).where(ChangeSet.position <= settled))
        webhook = Webhook(
            url=url, salt=salt, secret_digest=secret_digest, created_at=at, position=newest or 0, leased_until=at
        )
        session.add(webhook)
        session.flush()
        return webhook.id

    return run_in_transaction(work)


def get_webhook(webhook_id: int) -> Webhook:
    """Raises NotFound."""
    return get_webhook_in(cast(Session, db.session), webhook_id)


def list_webhooks() -> list[tuple[Webhook, WebhookDelivery | None]]:
    """Every webhook with its last attempt."""
    last = (
        select(func.max(WebhookDelivery.id))
        .where(WebhookDelivery.webhook_id == Webhook.id, WebhookDelivery.attempts > 0)
        .correlate(Webhook)
        .scalar_subquery()
    )
    query = select(Webhook, WebhookDelivery).outerjoin(WebhookDelivery, WebhookDelivery.id == last).order_by(Webhook.id)
    return [(webhook, delivery) for webhook, delivery in db.session.execute(query)]


def list_deliveries(webhook_id: int, most: int) -> list[WebhookDelivery]:
    """The newest first."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    return list(db.session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(most)))


def count_pending(webhook: Webhook) -> int:
    """How many change sets are to be told after the delivery that is there; at most MOST_BEHIND are counted."""
    coming = select(ChangeSet.id).where(ChangeSet.position > webhook.position).order_by(ChangeSet.position)
    return db.session.scalar(select(func.count()).select_from(coming.limit(MAX_PENDING_COUNTED).subquery())) or 0


def set_paused(webhook_id: int, paused: bool) -> None:
    """Send nothing more, or go on where it stopped. Raises NotFound."""

    def work(session: Session) -> None:
        webhook = get_webhook_in(session, webhook_id)
        webhook.paused_at = (webhook.paused_at or now()) if paused else None

    run_in_transaction(work)


def rotate_webhook(webhook_id: int, salt: str, secret_digest: str, overlap: timedelta) -> None:
    """Sign with another secret, and with the present one as well for that long. Raises NotFound."""

    def work(session: Session) -> None:
        webhook = get_webhook_in(session, webhook_id)
        webhook.previous_salt = webhook.salt if overlap else None
        webhook.previous_until = now() + overlap if overlap else None
        webhook.salt, webhook.secret_digest = salt, secret_digest

    run_in_transaction(work)


def delete_webhook(webhook_id: int) -> None:
    """With its deliveries. Raises NotFound."""
    run_in_transaction(lambda session: session.delete(get_webhook_in(session, webhook_id)))


def redeliver(webhook_id: int, delivery_id: int) -> None:
    """Try a delivery at once; one that had ended gets a single further attempt. Raises NotFound."""

    def work(session: Session) -> None:
        delivery = session.get(WebhookDelivery, delivery_id)
        if delivery is None or delivery.webhook_id != webhook_id:
            raise NotFound("There is no such delivery, or it is no longer kept.")
        at = now()
        delivery.next_attempt_at = at
        if delivery.state != PENDING:
            delivery.state, delivery.give_up_at = PENDING, at

    run_in_transaction(work)


def get_webhook_in(session: Session, webhook_id: int) -> Webhook:
    """In this transaction. Raises NotFound."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None:
        raise NotFound("There is no such webhook.")
    return webhook
