"""Where the time of one request goes: the app in this process, each step with a watch of its own."""

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

Times = dict[str, float]


@contextmanager
def watched() -> Iterator[Times]:
    """Seconds per step of the requests made meanwhile."""
    times: Times = defaultdict(float)

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
        watch(request_body, "_parsed", "parse"),
        watch(api_segments, "read_replacements", "validate"),
        watch(dialects.UpdateWithHistory, "run", "statement and history"),
        watch(SegmentDeltas, "add", "counts"),
        watch(core_segments.ChangeSetBuilder, "close", "change set and counts"),
        watch(core_segments, "_outcome", "who was left out"),
        watch(Session, "commit", "commit"),
        watch(api_segments, "dumps", "answer"),
    ):
        yield times


class Unrecorded(dialects.UpdateWithHistory):
    """The same statement, with nothing recorded of what it changed."""

    def __init__(self, change: Update, returning: Mapping[str, Any], into: Table) -> None:
        document_id, before, after = (returning[name] for name in ("document_id", "before", "after"))
        self._alone = change.returning(document_id, cast(before, Text), cast(after, Text))

    def run(self, session: Session, parameters: Mapping[str, Any]) -> list[Any]:
        return list(session.execute(self._alone, parameters).all())


@contextmanager
def without_history() -> Iterator[None]:
    build_update.cache_clear()
    with mock.patch.object(dialects, "RecordedUpdate", Unrecorded):
        yield
    build_update.cache_clear()
