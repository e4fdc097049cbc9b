"""The columns of a file matched as in the last import of a file with the same header."""

from collections.abc import Sequence

from app.jobs.jobs import list_jobs
from app.jobs.states import JobKind, JobState

MAX_IMPORTS = 100
"""How many of the last imports are looked at."""

CONFIRMED = (JobState.READY, JobState.SCHEDULED, JobState.HELD, JobState.APPLYING, JobState.DONE, JobState.CANCELLED)
"""States that an import reaches only with roles that an operator has confirmed."""


def last_mapping(columns: Sequence[str]) -> tuple[int, list[str]] | None:
    """Return the newest import of a file with these columns, and their roles; None if there is none."""
    for job in list_jobs(JobKind.IMPORT, limit=MAX_IMPORTS):
        payload = job.payload
        if job.state in CONFIRMED and payload["columns"] == list(columns) and payload["format"]["header"]:
            return job.id, payload["roles"]
    return None
