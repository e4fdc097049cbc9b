"""Customers who are difficult to find, filters, and the ids that a search returns."""

from app.core.database import db
from app.core.models.segments import SegmentPair
from app.core.search.customers import find_customers
from app.core.search.filters import Filter, Order
from app.demo_data import fill_demo
from tests.support.customers import profile, reset_database

PEOPLE = [
    {"document_id": "1232-2323", **profile(name="Ana Gómez", email="Ana@Example.com", phone="+57 300 123 4567")},
    {"document_id": "b/7", **profile(name="Luís Gómes-Núñez", email="luis@shop.co", phone="(601) 745-1234")},
    {"document_id": "c", **profile(name="İpek O'Neil")},
    {"document_id": "--", **profile(email="ana.maria@shop.co", phone="573109998877")},
    {"document_id": "d", **profile(name="王小明", phone="320 555 1234")},
    {
        "document_id": "V12345678",
        **profile(name="Andrés Díaz", email="andre\u0301s@diaz.co", phone="0057 315 222 3344"),
    },
    {"document_id": "12345678-K", **profile(name="Stanisław Żółć", phone="+44 (0)20 7946 0958")},
    {"document_id": "id@shop.test", **profile(name="Søren Đặng", email="\u200bsoren@shop.dk", phone="03105556677")},
    {"document_id": "e 100%_\\", **profile(name="Gina D´Angelo 😀")},
]
ALL_IDS = sorted(person["document_id"] or "" for person in PEOPLE)
FILTERS = [
    Filter(),
    Filter("gomez"),
    Filter(segments=(SegmentPair("membership", "GOLD"),)),
    Filter("ana", segments=(SegmentPair("activity", "ACTIVE"),), without=(SegmentPair("membership", "SILVER"),)),
    Filter(has="none"),
]
BY_ID = Order()


def found_ids(filters: Filter, order: Order = BY_ID) -> list[str]:
    db.session.rollback()
    return [found.document_id for found in find_customers(filters, order, limit=50)]


def fill_shop() -> None:
    reset_database()
    fill_demo(300, lambda _done: None)
