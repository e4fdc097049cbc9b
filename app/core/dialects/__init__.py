"""What differs between SQLite and PostgreSQL, and nothing else.

Constructs here render themselves for the database at hand, so that every statement elsewhere is written once.
"""

from app.core.dialects.connections import away_or_busy, engine_options, looking, prepare, worth_another_try, writing
from app.core.dialects.feed_positions import next_change_set_id, position_of, settled_position
from app.core.dialects.full_text import found_by_words, has_words
from app.core.dialects.json_functions import (
    elements,
    entries,
    holds,
    json_null,
    json_text,
    json_value,
    merged,
    renamed,
    texts,
)
from app.core.dialects.types import Exact, Id, Json, Words
from app.core.dialects.writes import RecordedUpdate, Together, create, increase, insert_new, update_rows

__all__ = [
    "Exact",
    "Id",
    "Json",
    "RecordedUpdate",
    "Together",
    "Words",
    "away_or_busy",
    "create",
    "elements",
    "engine_options",
    "entries",
    "found_by_words",
    "has_words",
    "holds",
    "increase",
    "insert_new",
    "json_null",
    "json_text",
    "json_value",
    "looking",
    "merged",
    "next_change_set_id",
    "position_of",
    "prepare",
    "renamed",
    "settled_position",
    "texts",
    "update_rows",
    "worth_another_try",
    "writing",
]
