"""Finding customers: by words, by segments, in order, a page at a time, however many there are.

A page is looked for in two ways. Where many match, the next ones in the order are walked until the page is full. Where
few do, that would read everything: those who match are collected by index and sorted. Which it is cannot be known from
statistics (two words that go together mislead any planner), so the walk comes first, and gives up where collecting
would have been cheaper.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from math import isqrt
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, and_, func, not_, select, tuple_

from app.core import dialects
from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import count_holders
from app.core.database import db
from app.core.models.change_sets import ChangeSet
from app.core.models.customers import PROFILE_FIELDS, Customer, CustomerSearch
from app.core.models.segments import SegmentPair
from app.core.search.terms import parse_query

customers = Customer.__table__.c
search = CustomerSearch.__table__.c

MAX_STRING = "\U0010ffff"
MIN_SCAN = 1_000


@dataclass(frozen=True)
class Filter:
    """Which customers: all conditions must hold."""

    q: str = ""
    """Words of the id, name, e-mail or phone; with an @ in it, the beginning of the e-mail."""
    segments: tuple[SegmentPair, ...] = ()
    without: tuple[SegmentPair, ...] = ()
    has: Literal["any", "none"] | None = None
    """Whether they carry any segments at all."""

    def to_dict(self) -> dict[str, Any]:
        """Return the filter as JSON, for `from_dict`."""
        pairs = {name: [pair.to_dict() for pair in getattr(self, name)] for name in ("segments", "without")}
        return {"q": self.q, "has": self.has, **pairs}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Filter":
        """Return the filter that `to_dict` described."""
        pairs = {name: tuple(map(SegmentPair.of, fields[name])) for name in ("segments", "without")}
        return cls(**{**fields, **pairs})

    def __bool__(self) -> bool:
        return bool(self.q.strip() or self.segments or self.without or self.has)


@dataclass(frozen=True)
class Order:
    """By `id` or by `name`; the latter without case and accents, the nameless last."""

    by: Literal["id", "name"] = "id"
    descending: bool = False

    def cursor_of(self, customer: "CustomerRow") -> tuple[str, ...]:
        """Where a list goes on after this customer."""
        return (customer.document_id,) if self.by == "id" else (customer.sort_name or "", customer.document_id)


CustomerRow = Row[Any]
"""document_id, name, email, phone, segments, changed_at, change_set_id, sort_name; actor and source of the change."""


def find_customers(
    filters: Filter, order: Order, *, after: tuple[str, ...] | None = None, limit: int
) -> list[CustomerRow]:
    """The next customers in this order, after a place in it."""
    steps = _scan_budget(filters)
    if not _is_selective(filters, steps):
        found = _load_rows(_scan_in_order(filters, order, after, steps if filters else limit), order, limit)
        if not filters or len(found) == limit:
            return found
    return _load_rows(_match_by_index(filters, order, after), order, limit)


def find_previous_page(filters: Filter, order: Order, before: tuple[str, ...], *, limit: int) -> list[CustomerRow]:
    """The customers just before a place, in this order."""
    back = replace(order, descending=not order.descending)
    return find_customers(filters, back, after=before, limit=limit)[::-1]


@dataclass(frozen=True)
class Count:
    """How many match: exactly, or more than that."""

    customers: int
    exact: bool


def known_count(filters: Filter) -> Count | None:
    """How many match, if the ledgers know; None if they would have to be counted."""
    if (
        filters.q.strip()
        or filters.without
        or len(filters.segments) > 1
        or (filters.segments and filters.has == "none")
    ):
        return None
    if filters.segments:
        return Count(count_holders(filters.segments[0]), exact=True)
    there = totals()
    numbers = {None: there.customers, "any": there.with_segments, "none": there.customers - there.with_segments}
    return Count(numbers[filters.has], exact=True)


def count_customers(filters: Filter, *, limit: int) -> Count:
    """How many match, counted up to `limit`."""
    known = known_count(filters)
    if known:
        return known
    query = _match_by_index(filters, Order(), None).order_by(None).limit(limit + 1)
    counted = db.session.scalars(select(func.count()).select_from(query.subquery())).one()
    return Count(min(counted, limit), exact=counted <= limit)


def iter_customers(filters: Filter) -> Iterator[dict[str, Any]]:
    """All who match, with their facts and segments, by document_id, streamed."""
    columns = (customers.document_id, *(customers[fact] for fact in PROFILE_FIELDS), customers.segments)
    query = select(*columns).order_by(customers.document_id)
    if filters:
        query = query.where(customers.document_id.in_(_match_by_index(filters, Order(), None).order_by(None)))
    for row in db.session.execute(query.execution_options(yield_per=2000)):
        yield row._asdict()


def iter_ids(filters: Filter) -> Iterator[str]:
    """The document_ids of all who match, streamed."""
    query = select(customers.document_id)
    if filters:
        query = query.where(customers.document_id.in_(_match_by_index(filters, Order(), None).order_by(None)))
    yield from db.session.scalars(query.order_by(customers.document_id).execution_options(yield_per=5_000))


def _scan_budget(filters: Filter) -> int:
    """How many customers to walk at limit: beyond that, collecting them costs less.

    Walking to n matches reads n/f rows, collecting f·N, where f is the share that matches: equal at sqrt(n·N) rows, for
    n of 50. A row met in order costs a fourth of one fetched from anywhere; half of it where, in the table of words,
    each customer is looked up besides.
    """
    if not filters:
        return 0
    return max(MIN_SCAN, isqrt(50 * totals().customers) * (2 if filters.q.strip() else 4))


def _is_selective(filters: Filter, steps: int) -> bool:
    """Whether so few match that a walk would be in vain."""
    words = parse_query(filters.q)
    if _exact_email(filters) or (filters.q.strip() and not words) or any(map(_is_number, chain.from_iterable(words))):
        return True
    few = steps if words else steps // 4
    return any(count_holders(segment) < few for segment in filters.segments)


def _is_number(word: str) -> bool:
    """An id or a telephone number, or the limit of it: few begin like that."""
    return len(word) >= 6 and word.isdigit()


def _sort_keys(order: Order) -> tuple[Any, ...]:
    return (customers.document_id,) if order.by == "id" else (search.name, search.document_id)


def _after_cursor(keys: tuple[Any, ...], order: Order, place: tuple[str, ...]) -> ColumnElement[bool]:
    here = tuple_(*keys)
    return here < place if order.descending else here > place


def _sorted(keys: tuple[Any, ...], order: Order) -> list[Any]:
    return [key.desc() if order.descending else key for key in keys]


def _scan_in_order(filters: Filter, order: Order, after: tuple[str, ...] | None, steps: int) -> Select[Any]:
    """Those who match among the next ones in the order; each is looked at once, unless the order is another table's."""
    keys = (search.document_id,) if order.by == "id" and filters.q.strip() else _sort_keys(order)
    table = keys[0].table
    columns = [search.terms] if table is search.id.table else [customers.segments]
    ahead = select(*dict.fromkeys([table.c.document_id, *keys, *columns]))
    if after is not None:
        ahead = ahead.where(_after_cursor(keys, order, after))
    next_ones = ahead.order_by(*_sorted(keys, order)).limit(steps).subquery("next_ones")
    query = select(next_ones.c.document_id)
    if filters.q.strip():
        query = query.where(dialects.matches_terms(next_ones.c.terms, parse_query(filters.q)))
    with_segments = _with_segments(filters, next_ones.c.get("segments", customers.segments))
    if with_segments and table is search.id.table:
        query = query.join(Customer, customers.document_id == next_ones.c.document_id)
    place = [next_ones.c[key.name] for key in keys]
    return query.where(*with_segments).order_by(*_sorted(tuple(place), order))


def _match_by_index(filters: Filter, order: Order, after: tuple[str, ...] | None) -> Select[Any]:
    """Those who match, by index, sorted only then.

    Materialized, or a planner might walk the order after all. Only by segments SQLite has no index: there, walking the
    whole order finds a page sooner than collecting everybody.
    """
    asked, with_segments = filters.q.strip(), _with_segments(filters)
    key = search.document_id if asked or order.by == "name" else customers.document_id
    hits = select(key, *([search.name] if order.by == "name" else [])).where(*_matching(filters), *with_segments)
    if key.table is not customers.document_id.table and with_segments:
        hits = hits.join(Customer, customers.document_id == key)
    found = hits.cte("hits").prefix_with("MATERIALIZED", dialect="*" if asked else "postgresql")
    keys = (found.c.document_id,) if order.by == "id" else (found.c.name, found.c.document_id)
    query = select(found.c.document_id).order_by(*_sorted(keys, order))
    return query if after is None else query.where(_after_cursor(keys, order, after))


def _exact_email(filters: Filter) -> str | None:
    """The beginning of an e-mail: a word, an @, and perhaps more."""
    q = filters.q.strip().casefold()
    return q if "@" in q[1:] and not any(character.isspace() for character in q) else None


def _matching(filters: Filter) -> list[ColumnElement[bool]]:
    q = filters.q.strip()
    if not q:
        return []
    email = _exact_email(filters)
    if email:
        return [and_(search.email >= email, search.email < email + MAX_STRING)]
    words = parse_query(q)
    if words:
        return [dialects.found_in_index(search.id.table, words)]
    return [and_(search.document_id >= q, search.document_id < q + MAX_STRING)]  # signs only: the beginning of an id


def _with_segments(filters: Filter, segments: ColumnElement[Any] = customers.segments) -> list[ColumnElement[bool]]:
    empty = segments == dialects.json_value([])
    conditions = [
        dialects.contains_segment(segments, segment, indexed=indexed)
        for segment, indexed in _by_index(filters.segments)
    ]
    conditions += [not_(dialects.contains_segment(segments, segment)) for segment in filters.without]
    return conditions + {"any": [not_(empty)], "none": [empty], None: []}[filters.has]


def _by_index(segments: tuple[SegmentPair, ...]) -> list[tuple[SegmentPair, bool]]:
    """The segments, the rarest first, and whether to look for each by index.

    A long list of holders is not read beside a short one, and who has not the rarest is not asked for the others.
    """
    if len(segments) < 2:
        return [(segment, True) for segment in segments]
    held = [(count_holders(segment), segment) for segment in segments]
    least = min(n for n, _ in held)
    return [(segment, n <= 10 * least) for n, segment in sorted(held, key=lambda one: one[0])]


def _load_rows(query: Select[Any], order: Order, limit: int) -> list[CustomerRow]:
    """The page itself: what is told of each customer, and by whom she was changed last."""
    page = query.limit(limit).subquery("page")
    told = (
        select(
            customers.document_id,
            customers.name,
            customers.email,
            customers.phone,
            customers.segments,
            customers.changed_at,
            customers.change_set_id,
            search.name.label("sort_name"),
            ChangeSet.actor,
            ChangeSet.source,
        )
        .select_from(page.join(Customer.__table__, customers.document_id == page.c.document_id))
        .outerjoin(CustomerSearch, search.document_id == customers.document_id)
        .outerjoin(ChangeSet, ChangeSet.id == customers.change_set_id)
        .order_by(*_sorted(_sort_keys(order), order))
    )
    return list(db.session.execute(told).all())
