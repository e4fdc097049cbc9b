"""Lists of customers in each order: their pages continue one another, in both directions."""

from datetime import timedelta
from itertools import pairwise
from typing import get_args, get_type_hints

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.changes.document_ids import rename_customer
from app.core.changes.erasure import erase_customers
from app.core.database import db, now
from app.core.history.retention import prune
from app.core.models.change_sets import ChangeSetPart
from app.core.models.customers import Customer
from app.core.search import last_updated
from app.core.search.customers import Count, count_customers, find_customers, find_previous_page
from app.core.search.filters import Filter, Order
from tests.support.customers import TESTER, set_segments
from tests.support.find_customers import FILTERS, fill_shop, found_ids

ORDERS = [Order(by, descending) for by in get_args(get_type_hints(Order)["by"]) for descending in (False, True)]


@pytest.mark.parametrize("order", ORDERS)
def test_pages_continue_one_another_in_both_directions(app: Flask, order: Order) -> None:
    fill_shop()
    for filters in FILTERS:
        whole = find_customers(filters, order, limit=10_000)
        pages = [find_customers(filters, order, limit=25)]
        while len(pages[-1]) == 25:
            pages.append(find_customers(filters, order, after=order.cursor_of(pages[-1][-1]), limit=25))
        assert [found.document_id for page in pages for found in page] == [found.document_id for found in whole]
        assert len({found.document_id for found in whole}) == len(whole) > 3
        for page, following in pairwise(page for page in pages if page):
            assert find_previous_page(filters, order, order.cursor_of(following[0]), limit=25) == page
        assert count_customers(filters, limit=10_000) == Count(len(whole), exact=True)


def by_update(descending: bool) -> list[str]:
    """Return all customers as sorted in Python: by the position and number of their newest change, or none."""
    parts = db.session.execute(select(ChangeSetPart.id, ChangeSetPart.position))
    places = {part.id: part.position for part in parts}
    found = db.session.execute(select(Customer.document_id, Customer.part_id, Customer.entry_number)).all()
    keys = sorted(((places.get(part_id, 0), number or 0, id_) for id_, part_id, number in found), reverse=descending)
    return [id_ for _position, _number, id_ in keys]


@pytest.mark.parametrize(("chunk", "chunks"), [(500, 6), (7, 1_000), (7, 2)])
@pytest.mark.parametrize("descending", [True, False])
def test_customers_updated_last_come_first(
    app: Flask, descending: bool, chunk: int, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the record while it lasts, and by sorting: across changes of a few, a rename, deletions and retention."""
    monkeypatch.setattr(last_updated, "CHUNK", chunk)
    monkeypatch.setattr(last_updated, "MAX_CHUNKS", chunks)
    fill_shop()
    first = found_ids(Filter())[:30]
    rename_customer(first[0], "new-id", TESTER)
    for document_id in ("new-id", first[3], first[3], first[1]):
        set_segments(document_id, [{"type": "t", "value": str(now())}])
    erase_customers([first[2]], TESTER)
    order = Order("updated", descending)
    expected = by_update(descending)
    assert by_update(True)[:3] == [first[1], first[3], "new-id"]
    for _ in range(2):
        found = find_customers(Filter(), order, limit=20)
        while len(page := find_customers(Filter(), order, after=order.cursor_of(found[-1]), limit=20)):
            found += page
        assert [row.document_id for row in found] == expected
        prune(now() - timedelta(days=30))
