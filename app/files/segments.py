"""A file of wanted segments: the endpoint's body, JSON Lines of its elements, or a CSV with a row per segment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.core.changes import Actor
from app.core.database import in_transaction
from app.core.segments import recording, replace_in
from app.files.customers import rejected
from app.files.reading import Line, Source, Unreadable
from app.files.staging import Staging
from app.schemas import Invalid, read_replacement


@dataclass(frozen=True)
class Applied:
    """The numbers of the endpoint's report; who was left out is in the staging."""

    changed: int
    unchanged: int
    change_set_id: int | None


def stage(source: Source, staging: Staging, progress: Callable[[int], None]) -> None:
    """Check every line and keep the good ones. Raises Unreadable.

    Of a CSV, where several lines make up one customer, one bad line keeps all of hers from being applied.
    """
    if source.columns is None:
        for line in source.lines:
            progress(source.position())
            _stage_element(line, staging)
        return
    if not {"type", "value"} <= set(source.columns):
        raise Unreadable("The CSV needs the columns document_id, type and value.")
    for line in source.lines:
        progress(source.position())
        _stage_pair(line, staging)
    for document_id, pairs in staging.spoil():
        for number, type_, value in pairs:
            row = {"document_id": document_id, "type": type_ or "", "value": value or ""}
            staging.reject(number, "Another line of this customer is bad.", row)


def _stage_element(line: Line, staging: Staging) -> None:
    if line.error:
        staging.reject(line.number, line.error, rejected(line))
        return
    try:
        document_id, segments = read_replacement(line.row)
    except Invalid as refusal:
        staging.reject(line.number, "; ".join(f"{path}: {text}" for path, text in refusal.details), rejected(line))
    else:
        staging.add(line.number, document_id, [[line.number, pair["type"], pair["value"]] for pair in segments])


def _stage_pair(line: Line, staging: Staging) -> None:
    row = line.row or {}
    document_id, type_, value = (row.get(name, "") for name in ("document_id", "type", "value"))
    error = line.error
    if not error and not document_id:
        error = "document_id is empty."
    if not error and bool(type_) != bool(value):
        error = "type and value go together; both empty stand for no segments."
    if error:
        staging.reject(line.number, error, rejected(line), document_id or None)
    else:
        staging.append(line.number, document_id, [line.number, type_ or None, value or None])


def apply(
    staging: Staging,
    actor: Actor,
    progress: Callable[[int], None],
    *,
    as_of: datetime | None = None,
    dry_run: bool = False,
) -> Applied:
    """Replace the segments of everybody staged, all of them or nobody's, as one change set. Raises Unavailable."""

    def work(session: Session) -> Applied:
        staging.forget_outcome()
        done = 0
        with recording(session, actor) as change_set:
            for batch in staging.batches():
                wanted = {
                    document_id: [{"type": type_, "value": value} for _, type_, value in pairs if type_ is not None]
                    for document_id, pairs in batch.items()
                }
                outcome = replace_in(change_set, wanted, as_of=as_of)
                staging.leave_out("notFound", outcome.not_found)
                staging.leave_out("stale", outcome.stale)
                done += len(batch)
                progress(done)
        recorded = change_set.changed and not dry_run
        return Applied(change_set.changed, change_set.unchanged, change_set.id if recorded else None)

    return in_transaction(work, keep=not dry_run)
