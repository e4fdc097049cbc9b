"""The audit log of administration: who did what, when, from which address, before and after.

Each interface sets the origin of its request or command once. The functions that change something record the event in
their own transaction, so that there is no change without an entry. The database refuses to update an entry.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction

PAGE_SIZE = 100


@dataclass(frozen=True)
class Origin:
    """Who acts, through which interface, and from which address."""

    actor: str
    source: str
    address: str | None = None


SYSTEM = Origin("system", "system")
_origin: ContextVar[Origin] = ContextVar("audit_origin", default=SYSTEM)


def set_origin(actor: str, source: str, address: str | None = None) -> None:
    """Set the origin of the events of this request or command."""
    _origin.set(Origin(actor, source, address))


def current_actor() -> str:
    """Return the name of who acts in this request or command."""
    return _origin.get().actor


class AuditEvent(Base):
    __tablename__ = "audit_events"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    event: Mapped[str]
    actor: Mapped[str]
    source: Mapped[str]
    address: Mapped[str | None]
    target: Mapped[str | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(dialects.Json)
    after: Mapped[dict[str, Any] | None] = mapped_column(dialects.Json)


def record_event(  # noqa: PLR0913 - one parameter per column
    session: Session,
    event: str,
    target: str | None = None,
    *,
    actor: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add an entry in this transaction. `actor` replaces that of the origin: who signs in is not known before."""
    origin = _origin.get()
    session.add(
        AuditEvent(
            at=now(),
            event=event,
            actor=actor or origin.actor,
            source=origin.source,
            address=origin.address,
            target=target,
            before=before,
            after=after,
        )
    )


def record_event_now(event: str, target: str | None = None, **details: Any) -> None:
    """Add an entry in a transaction of its own, for an act that changes nothing, such as an export."""
    run_in_transaction(lambda session: record_event(session, event, target, **details))


@dataclass(frozen=True)
class AuditFilter:
    """Conditions that all listed entries meet; None for any."""

    event: str | None = None
    actor: str | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """The end, excluded."""

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.event:
            found.append(AuditEvent.event == self.event)
        if self.actor:
            found.append(AuditEvent.actor.contains(self.actor, autoescape=True))
        if self.address:
            found.append(AuditEvent.address == self.address)
        if self.since:
            found.append(AuditEvent.at >= self.since)
        if self.until:
            found.append(AuditEvent.at < self.until)
        return found


def list_events(filters: AuditFilter, before_id: int | None = None, limit: int = PAGE_SIZE) -> list[AuditEvent]:
    """Return the newest entries that meet the filter, from before the entry `before_id`."""
    conditions = filters.conditions()
    if before_id is not None:
        conditions.append(AuditEvent.id < before_id)
    query = select(AuditEvent).where(*conditions).order_by(AuditEvent.id.desc()).limit(limit)
    return list(db.session.scalars(query))


def prune_audit_log(retention: timedelta) -> int:
    """Delete the entries older than the retention, and record how many. Return their number."""

    def work(session: Session) -> int:
        horizon = now() - retention
        result = session.execute(delete(AuditEvent).where(AuditEvent.at < horizon))
        deleted: int = result.rowcount  # type: ignore[attr-defined]
        if deleted:
            record_event(session, "audit_log_pruned", after={"deleted": deleted})
        return deleted

    return run_in_transaction(work)
