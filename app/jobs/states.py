"""The kinds and states of jobs, and which state may follow which."""

from enum import StrEnum
from typing import Any

from sqlalchemy import String
from sqlalchemy.types import TypeDecorator


class JobKind(StrEnum):
    IMPORT = "import"
    EDIT = "edit"
    REVERT = "revert"
    API = "api"
    """A file that an API client sent."""
    MEMBERS = "members"
    """The complete list of a segment's members, from an API client."""


class JobState(StrEnum):
    UPLOADING = "uploading"
    DRAFT = "draft"
    """A file whose columns are not matched yet."""
    CHECKING = "checking"
    """The preview is being computed."""
    READY = "ready"
    SCHEDULED = "scheduled"
    """Waits for its moment, `apply_at`."""
    HELD = "held"
    """Prepared, and waiting until an operator approves it who did not request it."""
    APPLYING = "applying"
    DONE = "done"
    CANCELLED = "cancelled"
    """Stopped after some batches, which stay applied; it can be continued."""
    FAILED = "failed"
    DISCARDED = "discarded"


RUNNING = (JobState.CHECKING, JobState.APPLYING)
"""The states in which a worker has something to do."""

STOPPED = (JobState.CANCELLED, JobState.FAILED)
"""The states from which a job can be continued, if some of its batches are applied."""

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.UPLOADING: frozenset({JobState.DRAFT, JobState.CHECKING, JobState.FAILED, JobState.DISCARDED}),
    JobState.DRAFT: frozenset({JobState.DRAFT, JobState.CHECKING, JobState.DISCARDED}),
    JobState.CHECKING: frozenset(
        {
            *(JobState.READY, JobState.HELD, JobState.SCHEDULED, JobState.APPLYING, JobState.DONE),
            *(JobState.DRAFT, JobState.CANCELLED, JobState.FAILED, JobState.DISCARDED),
        }
    ),
    JobState.READY: frozenset(
        {JobState.HELD, JobState.SCHEDULED, JobState.APPLYING, JobState.DRAFT, JobState.DISCARDED}
    ),
    JobState.SCHEDULED: frozenset(
        {JobState.CHECKING, JobState.APPLYING, JobState.READY, JobState.CANCELLED, JobState.DISCARDED}
    ),
    JobState.HELD: frozenset({JobState.READY, JobState.SCHEDULED, JobState.APPLYING, JobState.DISCARDED}),
    JobState.APPLYING: frozenset({JobState.DONE, JobState.READY, JobState.CANCELLED, JobState.FAILED}),
    JobState.CANCELLED: frozenset({JobState.APPLYING}),
    JobState.FAILED: frozenset({JobState.DRAFT, JobState.DISCARDED, JobState.APPLYING}),
    JobState.DONE: frozenset(),
    JobState.DISCARDED: frozenset(),
}


def check_transition(from_: JobState, to: JobState) -> None:
    """Raise ValueError, an error of the caller, for a step that no job may take."""
    if to not in TRANSITIONS[from_]:
        raise ValueError(f"A job cannot go from {from_} to {to}.")


class _EnumText(TypeDecorator[Any]):
    impl = String
    cache_ok = True
    enum: type[StrEnum]

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value and self.enum(value)


class JobStateText(_EnumText):
    cache_ok = True
    enum = JobState


class JobKindText(_EnumText):
    cache_ok = True
    enum = JobKind
