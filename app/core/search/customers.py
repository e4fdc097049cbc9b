"""Finding customers by text and segments, a page at a time, in order, however many there are.

There are two ways to a page. Where many customers match, the next ones in the order are scanned until the page is full.
Where few match, a scan would read everything: the matching customers are collected by index, and sorted. Statistics
cannot tell the two cases apart (two words that go together mislead any planner), so the scan comes first, and ends
where collecting would have cost less.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isqrt
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, not_, or_, select, tuple_
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from app.core import dialects
from app.core.counts.customer_totals import totals
from app.core.counts.segment_counts import count_holders
from app.core.database import db
from app.core.models.change_sets import ChangeSet, ChangeSetPart
from app.core.models.customers import PROFILE_FIELD_NAMES, PROFILE_FIELDS, Customer, CustomerSearch
from app.core.models.segments import SegmentPair
from app.core.search.filters import Filter, Order
from app.core.search.last_updated import last_updated
from app.core.search.terms import Query, parse_query

customers = Customer.__table__.c
search = CustomerSearch.__table__.c

MIN_SCAN = 1_000
SELECTIVE_LENGTH = 6
"""Words with a digit and at least this long are ids, e-mails or phones, or the larger part of one."""

FILTER_COLUMNS = (customers.segments,)
"""What `_matching_columns` reads."""

CustomerRow = Row[Any]
"""document_id, the profile, segments, changed_at, change_set_id, actor and source of the last change; sort_name, and
position and number of the last change, 0 if there is none."""

_position = func.coalesce(ChangeSetPart.position, 0).label("position")
_number = func.coalesce(customers.entry_number, 0).label("number")
_SORTED_BY: dict[str, tuple[Any, ...]] = {"id": (), "name": (search.name,), "updated": (_position, _number)}
"""By order: the columns before the document_id."""


def find_customers(
    filters: Filter, order: Order, *, after: tuple[Any, ...] | None = None, limit: int
) -> list[CustomerRow]:
    """Return the next matching customers in this order, after a position in it."""
    budget = _scan_budget(filters)
    if order.by == "updated" and not _is_selective(filters, budget):
        ids = last_updated(order, after, partial(_find_by_number, filters), limit=limit)
        if ids is not None:
            return _load_rows(select(customers.document_id).where(customers.document_id.in_(ids)), order, limit)
    elif not _is_selective(filters, budget):
        found = _load_rows(_scan_in_order(filters, order, after, budget if filters else limit), order, limit)
        if not filters or len(found) == limit:
            return found
    return _load_rows(_match_by_index(filters, order, after), order, limit)


def find_previous_page(filters: Filter, order: Order, before: tuple[Any, ...], *, limit: int) -> list[CustomerRow]:
    """Return the matching customers just before a position, in this order."""
    backwards = replace(order, descending=not order.descending)
    return find_customers(filters, backwards, after=before, limit=limit)[::-1]


@dataclass(frozen=True)
class Count:
    """A number of customers: exact, or a lower bound."""

    customers: int
    exact: bool


def known_count(filters: Filter) -> Count | None:
    """Return how many customers match if the ledgers of counts say so, or None if they would have to be counted."""
    if parse_query(filters.q) or filters != Filter(filters.q, segments=filters.segments[:1], has=filters.has):
        return None
    if filters.segments:
        return None if filters.has == "none" else Count(count_holders(filters.segments[0]), exact=True)
    sums = totals()
    numbers = {None: sums.customers, "any": sums.with_segments, "none": sums.customers - sums.with_segments}
    return Count(numbers[filters.has], exact=True)


def count_customers(filters: Filter, *, limit: int) -> Count:
    """Return how many customers match, counted up to `limit`."""
    known = known_count(filters)
    if known:
        return known
    query = _match_by_index(filters, Order(), None).order_by(None).limit(limit + 1)
    counted = db.session.scalars(select(func.count()).select_from(query.subquery())).one()
    return Count(min(counted, limit), exact=counted <= limit)


def iter_customers(filters: Filter) -> Iterator[dict[str, Any]]:
    """Yield all matching customers by document_id, with profile and segments, streamed."""
    columns = (customers.document_id, *(customers[name] for name in PROFILE_FIELD_NAMES), customers.segments)
    query = _narrow(select(*columns), filters).execution_options(yield_per=2_000)
    for row in db.session.execute(query):
        yield row._asdict()


def iter_ids(filters: Filter) -> Iterator[str]:
    """Yield the document_ids of all matching customers in their order, streamed."""
    query = _narrow(select(customers.document_id), filters)
    yield from db.session.scalars(query.execution_options(yield_per=5_000))


def _narrow(query: Select[Any], filters: Filter) -> Select[Any]:
    if filters:
        query = query.where(customers.document_id.in_(_match_by_index(filters, Order(), None).order_by(None)))
    return query.order_by(customers.document_id)


def _scan_budget(filters: Filter) -> int:
    """Return how many customers to scan at most: beyond that, collecting the matches costs less.

    To find n matches, a scan reads n/f rows, where f is the share that matches, and collecting reads f·N: equal at
    sqrt(n·N) rows, for n of 50. A row read in order costs a fourth of one fetched at random; half of it where, in the
    table of terms, each customer is looked up besides.
    """
    if not filters:
        return 0
    return max(MIN_SCAN, isqrt(50 * totals().customers) * (2 if parse_query(filters.q) else 4))


def _is_selective(filters: Filter, budget: int) -> bool:
    """Return whether so few customers match that a scan would be in vain."""
    query = parse_query(filters.q)
    words = [word for group in query.groups for word in group.words]
    if "@" in filters.q or any(len(word) >= SELECTIVE_LENGTH and any(map(str.isdigit, word)) for word in words):
        return bool(words)
    few = budget if query else budget // 4
    return any(count_holders(pair) < few for pair in filters.segments)


def _find_by_number(filters: Filter, numbers: list[int]) -> Sequence[Any]:
    """Return (document_id, id, part_id, entry_number) of the matching ones of the customers with these numbers."""
    query = parse_query(filters.q)
    conditions = [*_matching_terms(query, search.terms), *_matching_symbols(query)]
    found = (
        select(customers.document_id, search.id, customers.part_id, customers.entry_number)
        .join(CustomerSearch, search.document_id == customers.document_id)
        .where(search.id.in_(numbers), *conditions, *_matching_columns(filters, customers))
    )
    return db.session.execute(found).all()


def _sort_keys(order: Order) -> tuple[Any, ...]:
    key = search.document_id if order.by == "name" else customers.document_id
    return (*_SORTED_BY[order.by], key)


def _after_cursor(keys: tuple[Any, ...], order: Order, cursor: tuple[Any, ...]) -> ColumnElement[bool]:
    position = tuple_(*keys)
    return position < cursor if order.descending else position > cursor


def _sorted(keys: tuple[Any, ...], order: Order) -> list[Any]:
    return [key.desc() if order.descending else key for key in keys]


def _scan_in_order(filters: Filter, order: Order, after: tuple[Any, ...] | None, budget: int) -> Select[Any]:
    """Select the matches among the next customers in the order.

    Each customer is read once, unless the order is that of another table.
    """
    query = parse_query(filters.q)
    keys = (search.document_id,) if order.by == "id" and query else _sort_keys(order)
    table = keys[0].table
    in_search = table is search.id.table
    columns = [search.terms] if in_search else FILTER_COLUMNS
    scanned = select(*dict.fromkeys([table.c.document_id, *keys, *columns]))
    if after is not None:
        scanned = scanned.where(_after_cursor(keys, order, after))
    rows = scanned.order_by(*_sorted(keys, order)).limit(budget).subquery("scanned")
    matches = select(rows.c.document_id)
    if query:
        matches = matches.where(*_matching_terms(query, rows.c.terms))
    others = [*_matching_symbols(query), *_matching_columns(filters, customers if in_search else rows.c)]
    if others and in_search:
        matches = matches.join(Customer, customers.document_id == rows.c.document_id)
    position = tuple(rows.c[key.name] for key in keys)
    return matches.where(*others).order_by(*_sorted(position, order))


def _match_by_index(filters: Filter, order: Order, after: tuple[Any, ...] | None) -> Select[Any]:
    """Select all matches by index, and sort them afterwards.

    Materialized, or a planner might scan the order after all. For segments alone SQLite has no index: there, scanning
    the order finds a page sooner than collecting all matches.
    """
    query, others = parse_query(filters.q), _matching_columns(filters, customers)
    key = search.document_id if query or order.by == "name" else customers.document_id
    conditions = [*_matching_terms(query, search.terms, indexed=True), *_matching_symbols(query), *others]
    sorted_by = _SORTED_BY[order.by]
    hits = select(key, *sorted_by).where(*conditions)
    if key.table is search.id.table and (others or query.symbols or order.by == "updated"):
        hits = hits.join(Customer, customers.document_id == key)
    if order.by == "updated":
        hits = hits.outerjoin(ChangeSetPart, ChangeSetPart.id == customers.part_id)
    found = hits.cte("hits")
    if filters:
        found = found.prefix_with("MATERIALIZED", dialect="*" if query else "postgresql")
    keys = tuple(found.c[column.name] for column in (*sorted_by, key))
    matches = select(found.c.document_id).order_by(*_sorted(keys, order))
    return matches if after is None else matches.where(_after_cursor(keys, order, after))


def _matching_terms(query: Query, terms: ColumnElement[Any], *, indexed: bool = False) -> list[ColumnElement[bool]]:
    """Return `Query.matches` as conditions on the text of a customer's terms."""
    conditions = []
    for group in query.groups:
        words, phones = (
            [
                dialects.contains_text(terms, part, index_part=part[: group.index_length] if indexed else None)
                for part in parts
            ]
            for parts in (group.words, group.phones)
        )
        conditions.append(or_(and_(*words), *phones))
    if indexed:
        alternatives = (
            [[word[: group.index_length] for word in group.words], *((phone,) for phone in group.phones)]
            for group in query.groups
        )
        narrowed = dialects.narrowed_by_index(search.id.table, alternatives)
        conditions = [narrowed, *conditions] if narrowed is not None else conditions
    return conditions


def _matching_symbols(query: Query) -> list[ColumnElement[bool]]:
    columns = [customers[name] for name in ("document_id", *(f.name for f in PROFILE_FIELDS if f.search != "none"))]
    return [or_(*(dialects.contains_text(column, symbol) for column in columns)) for symbol in query.symbols]


def _matching_columns(filters: Filter, columns: ReadOnlyColumnCollection[str, Any]) -> list[ColumnElement[bool]]:
    """Return all of `Filter.matches` but the text, as conditions on FILTER_COLUMNS of `customers` or of a subquery."""
    segments = columns.segments
    empty = segments == dialects.json_value([])
    conditions = [
        dialects.contains_segment(segments, pair, indexed=indexed) for pair, indexed in _by_index(filters.segments)
    ]
    conditions += [not_(dialects.contains_segment(segments, pair)) for pair in filters.without]
    return conditions + {"any": [not_(empty)], "none": [empty], None: []}[filters.has]


def _by_index(segments: tuple[SegmentPair, ...]) -> list[tuple[SegmentPair, bool]]:
    """Return the segments, the rarest first, and whether to look for each by index.

    The long list of a common segment's holders is not read beside a short one; customers without the rarest segment
    are not compared with the others.
    """
    if len(segments) < 2:
        return [(pair, True) for pair in segments]
    holders = {pair: count_holders(pair) for pair in segments}
    fewest = min(holders.values())
    return [(pair, n <= 10 * fewest) for pair, n in sorted(holders.items(), key=lambda item: item[1])]


def _load_rows(query: Select[Any], order: Order, limit: int) -> list[CustomerRow]:
    """Return the customers of a page, with the actor and source of their last change."""
    page = query.limit(limit).subquery("page")
    names = ("document_id", *PROFILE_FIELD_NAMES, "segments")
    rows: Select[Any] = (
        select(
            *(customers[name] for name in names),
            ChangeSetPart.at.label("changed_at"),
            ChangeSetPart.change_set_id,
            search.name.label("sort_name"),
            _position,
            _number,
            ChangeSet.actor,
            ChangeSet.source,
        )
        .select_from(page.join(Customer.__table__, customers.document_id == page.c.document_id))
        .outerjoin(CustomerSearch, search.document_id == customers.document_id)
        .outerjoin(ChangeSetPart, ChangeSetPart.id == customers.part_id)
        .outerjoin(ChangeSet, ChangeSet.id == ChangeSetPart.change_set_id)
        .order_by(*_sorted(_sort_keys(order), order))
    )
    return list(db.session.execute(rows).all())
