"""How many customers a prepared job is about, and whether that is too many for one operator."""

from app.jobs.jobs import Job


def needs_approval(job: Job, approval_above: int | None) -> bool:
    """Return whether a prepared job is about more customers than an operator may change alone."""
    return approval_above is not None and count_affected(job) > approval_above


def count_affected(job: Job) -> int:
    """Return how many customers a prepared job would change."""
    preview = job.preview or {}
    return max(int(preview.get(name, 0)) for name in ("affected", "changed", "customers"))
