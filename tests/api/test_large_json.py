"""A body parsed in pieces is the same as one parsed whole."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api import large_json

TEXTS = st.sampled_from(["a", "", '},{"document_id":"x"', '"}, {"document_id"', "\\", '\\"},{"document_id', "ü", "]}"])
VALUES = st.recursive(
    TEXTS | st.integers(-5, 5) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.just("document_id"), inner, max_size=3),
    max_leaves=8,
)
CUSTOMER = {"document_id": "a", "segments": [{"type": "membership", "value": "GOLD"}]}
CUSTOMERS = st.lists(
    st.fixed_dictionaries({"document_id": TEXTS}, optional={"segments": VALUES, "x": VALUES}) | VALUES, max_size=6
)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_json, "PIECE_BYTES", 10)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all pieces that are parsed."""
    sizes: list[int] = []

    def loads(piece: bytes) -> Any:
        sizes.append(len(piece))
        return json.loads(piece)

    monkeypatch.setattr(large_json.orjson, "loads", loads)
    return sizes


def parse(body: bytes, loads: Any) -> Any:
    try:
        return loads(body)
    except orjson.JSONDecodeError as error:
        return error.msg, error.pos


@settings(max_examples=300)
@given(customers=CUSTOMERS, compact=st.booleans(), more=st.dictionaries(TEXTS, VALUES, max_size=2))
def test_pieces_give_the_same_as_the_whole(customers: list[Any], compact: bool, more: dict[str, Any]) -> None:
    for document in ({"customers": customers}, {"customers": customers, **more}, {**more, "customers": customers}):
        body = json.dumps(document, separators=(",", ":") if compact else None, indent=None if compact else 1).encode()
        assert large_json.loads(body) == orjson.loads(body)


@settings(max_examples=300)
@given(
    customers=CUSTOMERS, at=st.integers(0, 200), inserted=st.sampled_from([b"", b",", b"}", b"]", b'"', b"\xff", b"{"])
)
def test_a_broken_body_has_the_same_error(customers: list[Any], at: int, inserted: bytes) -> None:
    body = json.dumps({"customers": customers}).encode()
    broken = body[:at] + inserted + body[at + 1 :]
    assert parse(broken, large_json.loads) == parse(broken, orjson.loads)


def test_the_last_of_two_keys_counts() -> None:
    body = (
        b'{"customers":[{"document_id":"a"},{"document_id":"b"}],"customers":[{"document_id":"c"},{"document_id":"d"}]}'
    )
    assert large_json.loads(body) == orjson.loads(body)


@given(lines=st.lists(VALUES, max_size=9))
def test_lines_give_their_values(lines: list[Any]) -> None:
    assert large_json.loads_lines(json.dumps(line).encode() for line in lines) == lines


@pytest.mark.parametrize("indent", [None, 1])
def test_a_documented_body_is_parsed_in_small_pieces(indent: int | None, parsed: list[int]) -> None:
    body = json.dumps({"customers": [CUSTOMER] * 100}, indent=indent).encode() + b"\n"
    assert large_json.loads(body) == {"customers": [CUSTOMER] * 100}
    assert max(parsed) < len(body) / 20


def test_lines_are_parsed_in_small_pieces(parsed: list[int]) -> None:
    lines = [json.dumps(CUSTOMER).encode()] * 100
    assert large_json.loads_lines(lines) == [CUSTOMER] * 100
    assert max(parsed) < sum(map(len, lines)) / 20
