"""The history of a customer: changes of segments and of the profile in one list, page by page."""

from typing import Any

import pytest
from flask import Flask

from app.core.changes.change_set_builder import open_change_set
from app.core.changes.document_ids import rename_customer
from app.core.changes.profiles import upsert_customers
from app.core.database import db, now, run_in_transaction
from app.core.errors import CustomerNotFound
from app.core.history.customer_history import customer_history
from app.core.history.retention import prune
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, set_segments


def save_profile(document_id: str, **fields: str) -> None:
    def work(session: Any) -> None:
        with open_change_set(session, TESTER) as change_set:
            upsert_customers(session, [{"document_id": document_id, **fields}], change_set)

    run_in_transaction(work)


@pytest.fixture
def person(app: Flask) -> str:
    """A customer who was created, changed in turns and renamed."""
    save_profile("p-1", name="Eva")
    set_segments("p-1", GOLD)
    save_profile("p-1", name="Eva Díaz")
    set_segments("p-1", SILVER)
    rename_customer("p-1", "p-2", TESTER)
    return "p-2"


NEWEST_FIRST = ["renamed", "segments", "profile", "segments", "created"]


def test_every_kind_is_listed_in_order(person: str) -> None:
    page = customer_history(person, limit=10)
    assert [entry.change.kind for entry in page.entries] == NEWEST_FIRST
    assert [entry.change_set.id for entry in page.entries] == [5, 4, 3, 2, 1]
    assert page.next_entries is None
    _, _, profile, _, created = (entry.change for entry in page.entries)
    assert (profile.before["name"], profile.after["name"], created.after["name"]) == ("Eva", "Eva Díaz", "Eva")


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_have_each_entry_once(person: str, limit: int) -> None:
    kinds, start = [], None
    while True:
        page = customer_history(person, limit=limit, start=start)
        assert 0 < len(page.entries) <= limit
        kinds += [entry.change.kind for entry in page.entries]
        if page.next_entries is None:
            break
        start = page.next_entries
    assert kinds == NEWEST_FIRST


def test_an_empty_history_says_whether_it_was_deleted(person: str) -> None:
    add_customers("unrecorded")
    assert not customer_history("unrecorded", limit=1).is_recorded
    prune(now())
    db.session.rollback()
    page = customer_history(person, limit=1)
    assert (page.entries, page.is_recorded) == ([], True)


def test_an_unknown_customer_is_reported(app: Flask) -> None:
    with pytest.raises(CustomerNotFound):
        customer_history("unknown", limit=1)
