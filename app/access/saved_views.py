"""Named lists of customers: search, filters and sort order, as the query string of their URL."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.audit_log import record_event
from app.core import dialects
from app.core.changes.traces import Traces
from app.core.database import Base, fetch_autocommit, run_in_transaction
from app.core.errors import Conflict, DuplicateName, NotFound
from app.core.limits import MAX_VIEWS
from app.core.search.terms import fold_accents


class TooManyViews(Conflict):
    code = "TOO_MANY_VIEWS"
    explanation = f"At most {MAX_VIEWS} views can be saved."


class SavedView(Base):
    """A list of customers under a name, shared by the whole team."""

    __tablename__ = "saved_views"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    name: Mapped[str] = mapped_column(dialects.BytewiseString, unique=True)
    query: Mapped[str]
    """The canonical query string of the list, such as `segment=membership%3AGOLD&sort=name`."""


_ALL = select(SavedView.__table__).order_by(SavedView.name)


def list_views() -> list[Row[Any]]:
    """Return (id, name, query) of all views, by name without regard to case and accents.

    Never from a replica: an operator who has just saved a view sees it.
    """
    return sorted(fetch_autocommit(_ALL, {}), key=lambda view: fold_accents(view.name))


def create_view(name: str, query: str) -> None:
    """Save a view. Raises DuplicateName and TooManyViews."""
    if len(list_views()) >= MAX_VIEWS:
        raise TooManyViews(TooManyViews.explanation)

    def work(session: Session) -> None:
        session.add(SavedView(name=name, query=query))
        record_event(session, "view_saved", name)

    _write(work)


def rename_view(view_id: int, name: str) -> None:
    """Give a view another name. Raises NotFound and DuplicateName."""

    def work(session: Session) -> None:
        view = _get(session, view_id)
        record_event(session, "view_renamed", name, before={"name": view.name})
        view.name = name

    _write(work)


def delete_view(view_id: int) -> str:
    """Delete a view, and return its name. Raises NotFound."""

    def work(session: Session) -> str:
        view = _get(session, view_id)
        session.delete(view)
        record_event(session, "view_deleted", view.name)
        return view.name

    return run_in_transaction(work)


def _get(session: Session, view_id: int) -> SavedView:
    view = session.get(SavedView, view_id)
    if view is None:
        raise NotFound("This view was deleted.")
    return view


def _write(work: Callable[[Session], None]) -> None:
    try:
        run_in_transaction(work)
    except IntegrityError:
        raise DuplicateName("Another view has this name.") from None


def erase_from_views(session: Session, traces: Traces) -> None:
    """Delete the views that search for an erased customer, or bear their name."""
    for view in _views_about(session, traces):
        session.delete(view)


def disclose_from_views(session: Session, traces: Traces) -> list[dict[str, Any]]:
    """Return the views that name a customer."""
    return [{"name": view.name, "query": view.query} for view in _views_about(session, traces)]


def _views_about(session: Session, traces: Traces) -> list[SavedView]:
    views = session.scalars(select(SavedView).order_by(SavedView.id))
    return [view for view in views if any(map(traces.names, [view.name, *parse_qs(view.query).get("q", [])]))]
