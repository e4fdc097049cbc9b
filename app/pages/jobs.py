"""What the pages of imports and of bulk edits have in common: a change that is prepared, previewed, and then made."""

import time
from typing import Any

from app import background
from app.core.history.segment_diff import diff_segments
from app.jobs.jobs import Job, get_job

WAIT_S = 0.8
POLL_INTERVAL_S = 0.04


def start_job(job_id: int, kind: str) -> None:
    """Have it begun at once, and wait a moment: most are done before anybody could look at their progress."""
    until = time.monotonic() + WAIT_S
    if background.notify_workers():
        while time.monotonic() < until and get_job(job_id, kind).busy:
            time.sleep(POLL_INTERVAL_S)


def job_context(job: Job) -> dict[str, Any]:
    """What every page of a job needs."""
    examples = (job.effect or {}).get("examples", ())
    return {
        "job": job,
        "effect": job.effect,
        "examples": [(example, diff_segments(example["before"], example["after"])) for example in examples],
    }
