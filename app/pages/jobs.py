"""What the pages of imports and of bulk edits have in common: a change that is prepared, previewed, and then made."""

import time
from typing import Any

from app import background
from app.core.history.segment_diff import difference
from app.jobs.jobs import Job, find_job

AT_ONCE_S = 0.8
LOOK_EVERY_S = 0.04


def set_going(job_id: int, kind: str) -> None:
    """Have it begun at once, and wait a moment: most are done before anybody could look at their progress."""
    until = time.monotonic() + AT_ONCE_S
    if background.wake():
        while time.monotonic() < until and find_job(job_id, kind).busy:
            time.sleep(LOOK_EVERY_S)


def shown(job: Job) -> dict[str, Any]:
    """What every page of a job needs."""
    examples = (job.effect or {}).get("examples", ())
    return {
        "job": job,
        "effect": job.effect,
        "examples": [(example, difference(example["before"], example["after"])) for example in examples],
    }
