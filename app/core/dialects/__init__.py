"""What differs between SQLite and PostgreSQL, and nothing else.

Constructs here render themselves for the database at hand, so that every statement elsewhere is written once.
"""

from app.core.dialects.connections import away_or_busy, engine_options, prepare, worth_another_try, writing
from app.core.dialects.json_rows import (
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
from app.core.dialects.order import next_change_set_id, settled_position, take_position
from app.core.dialects.types import Exact, Id, Json, Words
from app.core.dialects.words import found_by_words, has_words
from app.core.dialects.writes import create, increase, insert_new, update_and_record, update_rows

__all__ = [
    "Exact",
    "Id",
    "Json",
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
    "merged",
    "next_change_set_id",
    "prepare",
    "renamed",
    "settled_position",
    "take_position",
    "texts",
    "update_and_record",
    "update_rows",
    "worth_another_try",
    "writing",
]
