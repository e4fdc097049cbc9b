"""Webhooks: endpoints that receive events, and the deliveries to them.

A webhook has a position in the change feed, and receives the next change set once the previous one was accepted or has
failed: nothing is written for it while segments change. app.webhooks.queue decides which delivery is next.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ForeignKey, Index, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.audit_log import record_event
from app.access.token_types import parse_types
from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import NotFound
from app.core.leases import LeaseColumns
from app.core.models.change_sets import ChangeSet

PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"

MAX_PENDING_COUNTED = 1_000


class Webhook(LeaseColumns, Base):
    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    url: Mapped[str]
    salt: Mapped[str]
    """The secret is derived from it and SECRET_KEY; the database alone reveals no secret."""
    secret_digest: Mapped[str]
    previous_salt: Mapped[str | None]
    """The salt of the secret before the last rotation, which signs as well until `previous_until`."""
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    types: Mapped[list[str]] = mapped_column(dialects.Json, server_default="[]")
    """Only change sets that change segments of these types are sent; empty for all change sets."""
    events: Mapped[list[str]] = mapped_column(dialects.Json, server_default="[]")
    """Only these events are sent; empty for all, also those that later versions add."""
    position: Mapped[int] = mapped_column(dialects.Id)
    """The position in the change feed of the last change set that got a delivery."""
    last_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Orders the webhooks that are due, so that each gets its turn."""

    @property
    def in_rotation(self) -> bool:
        return bool(self.previous_until and self.previous_until > now())

    def selects(self, event: str, type_: str | None = None) -> bool:
        """Return whether it receives this event, which is about a segment type or about none."""
        if self.events and event not in self.events:
            return False
        if type_ is None:  # its types cannot select it: only its events do
            return bool(self.events) or not self.types
        return not self.types or type_ in self.types


class WebhookDelivery(Base):
    """One change set, alert, missed night or test event for one webhook, pending or ended."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_webhook_id_state", "webhook_id", "state"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)
    """None for a test event, an alert and a missed night."""
    message: Mapped[dict[str, Any] | None] = mapped_column(dialects.Json)
    """The body of an alert or missed night, as it was when it happened."""
    message_id: Mapped[str] = mapped_column(unique=True)
    """The receiver recognises a repeated message by it."""
    state: Mapped[str]
    """PENDING, DELIVERED or FAILED."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime)
    give_up_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_response: Mapped[str | None]
    """`500 Internal Server Error`, `no response within 10 seconds`: never the body of a response."""


def create_webhook(
    url: str, salt: str, secret_digest: str, types: Iterable[str] = (), events: Iterable[str] = ()
) -> int:
    """Create a webhook that receives events from now on; return its id. Raises InvalidType."""
    filters = {"types": parse_types(types), "events": list(dict.fromkeys(events))}
    settled = run_in_transaction(dialects.settled_position, commit=False)

    def work(session: Session) -> int:
        at = now()
        newest = session.scalar(select(func.max(ChangeSet.position)).where(ChangeSet.position <= settled))
        webhook = Webhook(
            url=url,
            salt=salt,
            secret_digest=secret_digest,
            **filters,
            created_at=at,
            position=newest or 0,
            last_attempt_at=at,
        )
        session.add(webhook)
        session.flush()
        after = {name: values for name, values in filters.items() if values}
        record_event(session, "webhook_created", url, after=after or None)
        record_event(session, "secret_shown", url)
        return webhook.id

    return run_in_transaction(work)


def get_webhook(webhook_id: int) -> Webhook:
    """Return the webhook. Raises NotFound."""
    return get_webhook_in(cast(Session, db.session), webhook_id)


def list_webhooks() -> list[tuple[Webhook, WebhookDelivery | None]]:
    """Return every webhook with its last attempted delivery."""
    last = (
        select(func.max(WebhookDelivery.id))
        .where(WebhookDelivery.webhook_id == Webhook.id, WebhookDelivery.attempts > 0)
        .correlate(Webhook)
        .scalar_subquery()
    )
    query = select(Webhook, WebhookDelivery).outerjoin(WebhookDelivery, WebhookDelivery.id == last).order_by(Webhook.id)
    return [(webhook, delivery) for webhook, delivery in db.session.execute(query)]


def list_deliveries(webhook_id: int, limit: int) -> list[WebhookDelivery]:
    """Return the newest deliveries first."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    return list(db.session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit)))


def count_pending(webhook: Webhook) -> int:
    """Return how many change sets follow the last delivery; at most MAX_PENDING_COUNTED are counted."""
    pending = select(ChangeSet.id).where(ChangeSet.position > webhook.position).order_by(ChangeSet.position)
    return db.session.scalar(select(func.count()).select_from(pending.limit(MAX_PENDING_COUNTED).subquery())) or 0


def update_webhook(
    webhook_id: int,
    *,
    url: str | None = None,
    types: Iterable[str] | None = None,
    events: Iterable[str] | None = None,
    paused: bool | None = None,
) -> None:
    """Change where and what it sends from now on; pause it, or let it continue where it stopped.

    What is None stays. Pending deliveries go to the new URL at once. Raises InvalidType, NotFound.
    """
    values: dict[str, Any] = {
        "url": url,
        "types": None if types is None else parse_types(types),
        "events": None if events is None else list(dict.fromkeys(events)),
    }

    def work(session: Session) -> None:
        webhook = get_webhook_in(session, webhook_id)
        _set_values(session, webhook, {name: value for name, value in values.items() if value is not None})
        if paused is not None:
            _set_paused(session, webhook, paused)

    run_in_transaction(work)


def _set_values(session: Session, webhook: Webhook, values: dict[str, Any]) -> None:
    before = {name: getattr(webhook, name) for name, value in values.items() if getattr(webhook, name) != value}
    if not before:
        return
    after = {name: values[name] for name in before}
    record_event(session, "webhook_changed", webhook.url, before=before, after=after)
    for name, value in after.items():
        setattr(webhook, name, value)
    if "url" in after:
        pending = WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.state == PENDING
        session.execute(update(WebhookDelivery).where(*pending).values(next_attempt_at=now()))


def _set_paused(session: Session, webhook: Webhook, paused: bool) -> None:
    if paused != bool(webhook.paused_at):
        record_event(session, "webhook_paused" if paused else "webhook_resumed", webhook.url)
    webhook.paused_at = (webhook.paused_at or now()) if paused else None


def rotate_webhook(webhook_id: int, salt: str, secret_digest: str, overlap: timedelta) -> None:
    """Sign with another secret, and for the `overlap` with the current one as well. Raises NotFound."""

    def work(session: Session) -> None:
        webhook = get_webhook_in(session, webhook_id)
        webhook.previous_salt = webhook.salt if overlap else None
        webhook.previous_until = now() + overlap if overlap else None
        webhook.salt, webhook.secret_digest = salt, secret_digest
        until = webhook.previous_until and webhook.previous_until.isoformat()
        record_event(session, "webhook_rotated", webhook.url, after={"old_secret_expires": until})
        record_event(session, "secret_shown", webhook.url)

    run_in_transaction(work)


def delete_webhook(webhook_id: int) -> None:
    """Delete the webhook and its deliveries. Raises NotFound."""

    def work(session: Session) -> None:
        webhook = get_webhook_in(session, webhook_id)
        session.delete(webhook)
        record_event(session, "webhook_deleted", webhook.url)

    run_in_transaction(work)


def new_delivery(webhook_id: int, change_set_id: int | None, at: datetime, max_age: timedelta) -> WebhookDelivery:
    """Return a delivery that is due now, and is retried until it is `max_age` old."""
    return WebhookDelivery(
        webhook_id=webhook_id,
        change_set_id=change_set_id,
        message_id=f"msg_{secrets.token_urlsafe(16)}",
        state=PENDING,
        created_at=at,
        attempts=0,
        next_attempt_at=at,
        give_up_at=at + max_age,
    )


def send_test_event(webhook_id: int) -> str:
    """Queue a test event, which is attempted once; return the id of its message. Raises NotFound."""

    def work(session: Session) -> str:
        get_webhook_in(session, webhook_id)
        delivery = new_delivery(webhook_id, None, now(), timedelta(0))
        session.add(delivery)
        return delivery.message_id

    return run_in_transaction(work)


def redeliver(webhook_id: int, delivery_id: int) -> None:
    """Attempt a delivery at once; one that has ended gets a single further attempt. Raises NotFound."""

    def work(session: Session) -> None:
        delivery = session.get(WebhookDelivery, delivery_id)
        if delivery is None or delivery.webhook_id != webhook_id:
            raise NotFound("Delivery not found, or deleted.")
        at = now()
        delivery.next_attempt_at = at
        if delivery.state != PENDING:
            delivery.state, delivery.give_up_at = PENDING, at

    run_in_transaction(work)


def get_webhook_in(session: Session, webhook_id: int) -> Webhook:
    """Return the webhook in this transaction. Raises NotFound."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None:
        raise NotFound("Webhook not found.")
    return webhook
