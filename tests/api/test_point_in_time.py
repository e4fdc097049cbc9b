"""GET /api/v3/customers/<document_id>/segments?at=<RFC 3339>: contract §8."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from app.core.history.retention import prune
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, set_segments
from tests.support.dates import date

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(api: Api, document_id: str, day: float, **kwargs: object) -> object:
    moment = quote((START + timedelta(days=day)).isoformat())
    return api.get(f"/api/v3/customers/{document_id}/segments?at={moment}", **kwargs).json


@pytest.fixture
def dated(ana: str) -> str:
    for number, segments in enumerate((GOLD, SILVER, []), start=1):
        set_segments(ana, segments)
        date(number, START + timedelta(days=number))
    return ana


def test_segments_as_of_a_moment(api: Api, dated: str) -> None:
    for day, segments in ((0, []), (1, GOLD), (1.9, GOLD), (2, SILVER), (3, []), (300, [])):
        assert at(api, dated, day) == {"segments": segments}


def test_a_moment_before_the_record_begins_is_410(api: Api, dated: str) -> None:
    prune(START + timedelta(days=2.5))
    at(api, dated, 1.5, status=410, code="NO_LONGER_KNOWN")
    assert at(api, dated, 2.7) == {"segments": SILVER}


def test_invalid_moments_and_unknown_customers_are_refused(api: Api, dated: str) -> None:
    api.get(f"/api/v3/customers/{dated}/segments?at=yesterday", status=400, code="VALIDATION_ERROR")
    at(api, "unknown", 1, status=404, code="CUSTOMER_NOT_FOUND")
