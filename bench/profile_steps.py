"""Where the time of one request goes: the app runs in this process and each step is timed."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from sqlalchemy import Table, Text, Update, cast
from sqlalchemy.orm import Session

from app.api import request_body
from app.api import segments as api_segments
from app.core import dialects
from app.core.changes import replace_segments as core_segments
from app.core.changes.segment_updates import build_update
from app.core.counts.segment_counts import SegmentDeltas
from app.core.dialects.writes import Column

StepSeconds = dict[str, float]


@contextmanager
def timed_steps() -> Iterator[StepSeconds]:
    """Collect the seconds per step of the requests sent inside the `with` block."""
    times: StepSeconds = defaultdict(float)

    def watch(owner: Any, name: str, step: str) -> Any:
        real: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return real(*args, **kwargs)
            finally:
                times[step] += time.perf_counter() - started

        return mock.patch.object(owner, name, timed)

    with (
        watch(request_body, "_parse_json", "parse"),
        watch(api_segments, "parse_replacements", "validate"),
        watch(dialects.UpdateWithHistory, "run", "statement and history"),
        watch(SegmentDeltas, "add", "counts"),
        watch(core_segments.ChangeSetBuilder, "save", "change set and counts"),
        watch(core_segments, "_result", "missing or stale customers"),
        watch(Session, "commit", "commit"),
        watch(api_segments, "dumps", "response"),
    ):
        yield times


class UpdateWithoutHistory(dialects.UpdateWithHistory):
    """The same statement without the history rows."""

    def __init__(self, change: Update, returning: Mapping[str, Any], into: Table) -> None:
        document_id, before, after = (returning[name] for name in ("document_id", "before", "after"))
        self._statement = change.returning(document_id, cast(before, Text), cast(after, Text))

    def run(self, session: Session, parameters: Mapping[str, Any]) -> tuple[Column, Column, Column]:
        document_ids, before, after = zip(*session.execute(self._statement, parameters), strict=True)
        return document_ids, before, after


@contextmanager
def without_history() -> Iterator[None]:
    build_update.cache_clear()
    with mock.patch.object(dialects, "UpdateWithHistory", UpdateWithoutHistory):
        yield
    build_update.cache_clear()
