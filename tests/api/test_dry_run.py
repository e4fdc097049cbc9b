"""?dry_run=true: a preview that cannot disagree with what follows."""

from sqlalchemy import func, select

from app.core.counts.segment_counts import SegmentCount
from app.core.database import db
from app.core.models.change_sets import ChangeSet
from app.core.models.customer_changes import CustomerChange
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments

ENTRIES = [{"document_id": id_, "segments": GOLD} for id_ in ("a", "b", "x", "a")]


def rows() -> list[int | None]:
    db.session.rollback()
    return [db.session.scalar(select(func.count()).select_from(t)) for t in (ChangeSet, CustomerChange, SegmentCount)]


def test_dry_run_changes_nothing_and_has_the_same_response(api: Api) -> None:
    add_customers("a", "b")
    set_segments("b", GOLD)
    before = rows()
    dry = api.replace(ENTRIES, "?dry_run=true")
    assert "Change-Set" not in dry.headers
    assert all_segments() == {"a": [], "b": GOLD}
    assert rows() == before
    real = api.replace(ENTRIES, "?report=true").json
    assert real["report"].pop("changeSet")
    assert real["report"].items() <= dry.json["report"].items()
    assert real["updatedCustomers"] == dry.json["updatedCustomers"]
    assert dry.json["report"] == {
        "changed": 1,
        "unchanged": 1,
        "notFound": ["x"],
        "duplicates": ["a"],
        "stale": [],
        "changeSet": None,
    }


def test_dry_run_has_the_same_errors(api: Api) -> None:
    api.replace([{"document_id": "a"}], "?dry_run=true", status=400, code="VALIDATION_ERROR")


def test_nothing_is_recorded_when_nothing_changes(api: Api, ana: str) -> None:
    set_segments(ana, SILVER)
    before = rows()
    api.replace([{"document_id": ana, "segments": SILVER}, {"document_id": "x", "segments": SILVER}])
    assert rows() == before
