"""A file of customers: created or updated by document_id, their segments replaced where the file has any."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson
from sqlalchemy.orm import Session

from app.core.changes import Actor
from app.core.customers import Saved, save_customers
from app.core.database import in_transaction
from app.core.segments import recording, replace_in
from app.files.export import unmarked
from app.files.reading import Line, Source
from app.files.staging import Row, Staging
from app.schemas import Invalid, read_facts


@dataclass(frozen=True)
class Imported:
    saved: Saved
    segments_changed: int
    change_set_id: int | None


def stage(source: Source, staging: Staging, progress: Callable[[int], None]) -> None:
    """Check every line and keep the good ones, one per customer. Raises Unreadable."""
    for line in source.lines:
        progress(source.position())
        try:
            row = _row(line, source.columns)
            facts = read_facts(row)
        except Invalid as refusal:
            staging.reject(line.number, "; ".join(f"{path}: {text}" for path, text in refusal.details), rejected(line))
        else:
            staging.add(line.number, facts["document_id"], facts)


def _row(line: Line, columns: list[str] | None) -> object:
    if line.error:
        raise Invalid(iter([("line", line.error)]), "the line")
    if columns is None or line.row is None:
        return line.row
    row: dict[str, object] = {
        name: unmarked(value) or None for name, value in line.row.items()
    }  # an empty cell empties the fact
    if "segments" in row:
        row["segments"] = _cell(line.row["segments"])
    return row


def _cell(text: str) -> object:
    """The segments in a CSV cell: as JSON, the only spelling that every type and value survives."""
    try:
        return orjson.loads(text) if text else []
    except orjson.JSONDecodeError:
        raise Invalid(iter([("segments", 'Must be JSON: [{"type": "…", "value": "…"}].')]), "the line") from None


def rejected(line: Line) -> Row:
    """What stood in a bad line, to be repaired and loaded again."""
    return line.row if isinstance(line.row, dict) and not line.text else {"row": line.text}


def load(staging: Staging, actor: Actor, progress: Callable[[int], None]) -> Imported:
    """Apply what was staged, all of it or nothing, as one change set. Raises Unavailable."""

    def work(session: Session) -> Imported:
        saved, done = Saved(), 0
        with recording(session, actor) as change_set:
            for batch in staging.batches():
                saved += save_customers(session, list(batch.values()))
                wanted = {id_: row["segments"] for id_, row in batch.items() if "segments" in row}
                if wanted:
                    replace_in(change_set, wanted)
                done += len(batch)
                progress(done)
        return Imported(saved, change_set.changed, change_set.id if change_set.changed else None)

    return in_transaction(work)
