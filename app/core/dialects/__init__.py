"""What differs between SQLite and PostgreSQL, and nothing else.

The constructs render themselves for each database, so that every statement elsewhere is written once.
"""

from app.core.dialects.bulk_copy import SourceInUse, hold_still, insert_rows
from app.core.dialects.clock import database_time
from app.core.dialects.commit_status import was_committed
from app.core.dialects.connections import (
    TRANSACTION_ID,
    cancel_query,
    configure_engine,
    connect_for_reads,
    engine_options,
    for_maintenance,
    for_reading_by_key,
    for_snapshot,
    for_writing,
    short_timeout_reads,
)
from app.core.dialects.distribution import fetch_locked, is_distributed
from app.core.dialects.failures import is_retryable, is_unavailable, is_unmigrated
from app.core.dialects.feed_positions import (
    begin_snapshot,
    clock,
    closing_moment,
    keep_commits_out,
    next_change_set_id,
    next_part_id,
    next_position,
    position_lock,
    settled_position,
)
from app.core.dialects.full_text import contains_text, is_not_ascii, narrowed_by_index
from app.core.dialects.json_functions import (
    contains_segment,
    json_elements,
    json_entries,
    json_length,
    json_null,
    json_strings,
    json_text,
    json_value,
    patch_segments,
    rename_segments,
)
from app.core.dialects.numbers import continue_numbers, last_numbers
from app.core.dialects.purge import purge_deleted, purge_is_due, request_purge
from app.core.dialects.sqlite_lock import batch_size, yield_to_writers
from app.core.dialects.types import BytewiseString, Id, Json, is_false, is_true
from app.core.dialects.writes import (
    CombinedInserts,
    UpdateWithHistory,
    insert_if_absent,
    insert_missing,
    insert_new,
    update_rows,
    upsert_increment,
    upsert_sums,
)

__all__ = [
    "TRANSACTION_ID",
    "BytewiseString",
    "CombinedInserts",
    "Id",
    "Json",
    "SourceInUse",
    "UpdateWithHistory",
    "batch_size",
    "begin_snapshot",
    "cancel_query",
    "clock",
    "closing_moment",
    "configure_engine",
    "connect_for_reads",
    "contains_segment",
    "contains_text",
    "continue_numbers",
    "database_time",
    "engine_options",
    "fetch_locked",
    "for_maintenance",
    "for_reading_by_key",
    "for_snapshot",
    "for_writing",
    "hold_still",
    "insert_if_absent",
    "insert_missing",
    "insert_new",
    "insert_rows",
    "is_distributed",
    "is_false",
    "is_not_ascii",
    "is_retryable",
    "is_true",
    "is_unavailable",
    "is_unmigrated",
    "json_elements",
    "json_entries",
    "json_length",
    "json_null",
    "json_strings",
    "json_text",
    "json_value",
    "keep_commits_out",
    "last_numbers",
    "narrowed_by_index",
    "next_change_set_id",
    "next_part_id",
    "next_position",
    "patch_segments",
    "position_lock",
    "purge_deleted",
    "purge_is_due",
    "rename_segments",
    "request_purge",
    "settled_position",
    "short_timeout_reads",
    "update_rows",
    "upsert_increment",
    "upsert_sums",
    "was_committed",
    "yield_to_writers",
]
