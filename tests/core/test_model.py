"""Random requests: both databases end with the same state as a plain dictionary."""

from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.core.counts.compaction import compact
from app.core.counts.recount import recount
from app.core.counts.segment_counts import SegmentCount
from app.core.database import db
from app.core.errors import InvalidInput
from app.core.models.change_sets import ChangeSetPart
from app.core.models.customer_changes import CustomerChange
from app.serialization.request_schemas import ReplaceSegmentsSchema as ReplaceSchema
from app.serialization.request_schemas import iter_errors, parse_replacements
from tests.support.clients import Api
from tests.support.customers import TESTER, Segments, add_customers, all_segments

# Few, so that they meet; odd, so that quoting, ordering and comparing are put to the test.
IDS = ["1", "01", "10", "a", "A", "á", "a'b", 'a"b', "a\\b", "a/b c%20", "😀", "\u202eabc", "\x1f", "{}"]
TEXTS = st.sampled_from(["GOLD", "gold", "", " ", "é", "e\u0301", '"', "\\", "\n", "😀", "},{", "\ud7ff\uffff"])
SEGMENTS = st.lists(st.fixed_dictionaries({"type": TEXTS, "value": TEXTS}), max_size=4)
ENTRY = st.fixed_dictionaries(
    {"document_id": st.sampled_from([*IDS, "unknown", "x\x7f"]), "segments": st.none() | SEGMENTS}
)
REQUESTS = st.lists(st.lists(ENTRY, min_size=1, max_size=8), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=REQUESTS)
def test_any_sequence_of_requests_equals_the_model(app: Flask, api: Api, requests: list[list[Any]]) -> None:
    without_token = [table for table in db.metadata.sorted_tables if table.name != "tokens"]
    _empty(without_token)
    add_customers(*IDS)
    model: dict[str, Segments] = {document_id: [] for document_id in IDS}

    for entries in requests:
        new_segments: dict[str, Segments] = {}
        for entry in entries:
            new_segments.setdefault(entry["document_id"], entry["segments"] or [])
        assert api.updated(entries) == [document_id for document_id in new_segments if document_id in model]
        model |= {document_id: segments for document_id, segments in new_segments.items() if document_id in model}

    assert all_segments() == model
    assert _ledger() == _count(model)
    compact()
    assert _ledger() == _count(model)
    assert recount(TESTER) == []
    assert _replayed() == model


def _empty(tables: list[Any]) -> None:
    db.session.remove()
    with db.engine.begin() as connection:
        for table in reversed(tables):
            connection.execute(table.delete())


def _ledger() -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    db.session.rollback()
    for row in db.session.scalars(select(SegmentCount)):
        pair = (row.type, row.value)
        sums[pair] = sums.get(pair, 0) + row.delta
    return {pair: customers for pair, customers in sums.items() if customers}


def _count(model: dict[str, Segments]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for segments in model.values():
        for pair in {(segment["type"], segment["value"]) for segment in segments}:
            counts[pair] = counts.get(pair, 0) + 1
    return counts


def _replayed() -> dict[str, Segments]:
    """The state as the history tells it; every `before` is the `after` before it."""
    state: dict[str, Segments] = {document_id: [] for document_id in IDS}
    newest: dict[str, tuple[int, int]] = {}
    db.session.rollback()
    recorded = {part.id: part.entries for part in db.session.scalars(select(ChangeSetPart))}
    for change in db.session.scalars(select(CustomerChange).order_by(CustomerChange.part_id, CustomerChange.number)):
        assert change.kind == "segments"
        assert change.before == state[change.document_id]
        assert (change.previous_part_id, change.previous_number) == newest.get(change.document_id, (None, None))
        assert change.before != change.after
        state[change.document_id] = change.after
        newest[change.document_id] = (change.part_id, change.number)
        recorded[change.part_id] -= 1
    assert not any(recorded.values()), "each change set says how many customers it changed"
    return state


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "\0", "document_id", "segments"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["document_id", "segments", "type", "value", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(customers=st.lists(ENTRY | JSON, max_size=3) | JSON)
def test_fast_validation_equals_the_declared_schema(customers: Any) -> None:
    body = {"customers": customers}
    declared = list(iter_errors(ReplaceSchema(), body))
    assert bool(ReplaceSchema().validate(body)) == bool(declared)
    if declared:
        with pytest.raises(InvalidInput) as refused:
            parse_replacements(body)
        assert refused.value.details == declared[:100]
    else:
        parse_replacements(body)
