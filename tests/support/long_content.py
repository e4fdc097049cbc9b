"""Content that is as long as the product accepts, for tests of the layout: ids, names, 60 segments, actors, notes."""

from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import replace_segments
from app.core.database import run_in_transaction
from app.core.models.change_sets import Actor

UNBREAKABLE = "a_very_long_name_without_any_space_or_hyphen_" * 4
LONG_ID = f"0-{UNBREAKABLE}"
LONG_TYPE, LONG_VALUE = f"type-{UNBREAKABLE}", f"VALUE-{UNBREAKABLE.upper()}"
LONG_ACTOR = Actor(f"token {UNBREAKABLE}", "API")


def add_long_content() -> None:
    """Create a customer whose every field is long, and who has 60 segments."""
    profile = {
        "document_id": LONG_ID,
        "name": UNBREAKABLE.title(),
        "email": f"{UNBREAKABLE}@{UNBREAKABLE[:60]}.example.com",
        "phone": "+57 310 555 0199 ext. 12345678901234567890",
    }
    run_in_transaction(lambda session: upsert_customers(session, [profile]))
    segments = [{"type": LONG_TYPE, "value": f"{LONG_VALUE}{n}"} for n in range(20)]
    segments += [{"type": f"interest-{n}", "value": f"A value with several words {n}"} for n in range(40)]
    replace_segments({LONG_ID: segments}, LONG_ACTOR, note=f"import {UNBREAKABLE}.csv")
