"""What a scheduled job expects of its customers: they are changed only as its preview found them."""

from collections.abc import Callable
from typing import Any

from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.replace_types import lock_segments
from app.core.models.segments import Segments
from app.jobs.batches import BatchContent


def keep_expected(
    change_set: ChangeSetBuilder,
    batch: BatchContent,
    expectation: Callable[[Segments, Segments], Any],
    new_segments: Callable[[Segments, Segments], Segments],
) -> tuple[dict[str, Segments], dict[str, str]]:
    """Return the customers of `{document_id: [sent, expected]}` for whom the preview holds, and why others are skipped.

    Those who have the new segments already count as unchanged. Both functions get the segments now and those sent.
    """
    current = lock_segments(change_set.session, batch)
    kept, skipped = {}, {}
    for id_, (sent, expected) in batch.items():
        if id_ not in current:
            skipped[id_] = "missing"
        elif expectation(current[id_], sent) == expected:
            kept[id_] = sent
        elif new_segments(current[id_], sent) == current[id_]:
            change_set.unchanged += 1
        else:
            skipped[id_] = "changed"
    return kept, skipped
