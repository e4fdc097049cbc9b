"""What a job of an API client did, or would do if it is a dry run (contract §8)."""

from typing import Any

from app.core.changes.guard import Guard, warning_text
from app.core.limits import MAX_REPORTED_IDS
from app.jobs.batches import iter_skipped
from app.jobs.jobs import Job
from app.jobs.states import JobKind, JobState

SKIPPED = {
    "missing": "notFound",
    "stale": "stale",
    "changed": "stale",
    "conflict": "conflicts",
    "too_many": "overLimit",
}
"""Lists of the report by the reason for which a customer was skipped."""


def job_report(job: Job) -> dict[str, Any] | None:
    """Return the report of a job; None while it is being checked. Its lists end after MAX_REPORTED_IDS ids."""
    preview, is_dry_run = job.preview or {}, bool(job.payload.get("dry_run"))
    is_preview = is_dry_run or job.state == JobState.HELD
    numbers = preview if is_preview else job.result
    if not numbers:
        return None
    totals = {name: numbers.get(name, 0) for name in ("changed", "unchanged", "created", "updated")}
    if job.kind == JobKind.REVERT:  # whose segments, profile or id was restored
        totals["changed"] = numbers.get("customers", 0)
    return {
        **totals,
        **{name: numbers[name] for name in ("added", "removed") if name in numbers},
        **(_previewed(preview) if is_preview else _skipped(job.id)),
        "duplicates": preview.get("duplicate_ids", []),
        "rejected": preview.get("rejected", 0),
        **_warning(job, preview),
    }


def _warning(job: Job, preview: dict[str, Any]) -> dict[str, str]:
    """Return what the guard of the token warns of, if it does."""
    guard, emptied, sent = job.payload.get("guard"), preview.get("emptied", 0), preview.get("sent", 0)
    warns = guard and Guard.from_dict(guard).warns(emptied, sent)
    return {"warning": warning_text(emptied)} if warns else {}


def _previewed(preview: dict[str, Any]) -> dict[str, list[str]]:
    return {
        "notFound": preview.get("not_found_ids", []),
        "stale": preview.get("stale_ids", []),
        "conflicts": preview.get("conflict_ids", []),
        "overLimit": preview.get("over_limit_ids", []),
    }


def _skipped(job_id: int) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {name: [] for name in SKIPPED.values()}
    for document_id, reason in iter_skipped(job_id):
        found = ids.get(SKIPPED.get(reason, ""))
        if found is not None and len(found) < MAX_REPORTED_IDS:
            found.append(document_id)
    return ids
