"""The URL of a list: filter, sort order and cursor. A list's state is its URL, so it can be bookmarked and shared.

A filter is a dataclass. Each of its fields is one URL parameter, parsed and written by the field's type. So whatever a
filter has is carried into links, export and bulk edits; nothing is listed by hand.
"""

import types
from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from datetime import date
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

from flask import request, url_for
from flask_babel import gettext as _

from app.core.errors import BadRequest
from app.core.limits import MAX_QUERY_LENGTH
from app.core.models.customers import is_storable
from app.core.models.segments import SegmentPair
from app.core.search.customers import CustomerRow
from app.core.search.filters import Filter, Order
from app.serialization.segment_notation import InvalidSegment, format_segment, parse_segment
from app.web.cursors import InvalidCursor, decode_cursor, encode_cursor

DEFAULT_SORT = "id"

F = TypeVar("F")
QueryParameters = dict[str, list[str]]


class InvalidRequest(BadRequest):
    code = "INVALID_REQUEST"
    explanation = "The URL or the form of a page is invalid."

    parameter: str | None = None
    """The one of the URL without which the page can be displayed."""

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


# One parameter


def text(name: str) -> str:
    """Return the URL parameter, stripped; an empty string if it is missing. Raises InvalidRequest."""
    try:
        return _storable(request.args.get(name, "").strip())
    except InvalidRequest as error:
        raise InvalidRequest(str(error), parameter=name) from None


def cursor(name: str, *types_: type) -> Any:
    """Return the decoded cursor in a URL parameter, or None. Raises InvalidRequest."""
    value = request.args.get(name)
    try:
        return decode_cursor(value, *types_) if value else None
    except InvalidCursor:
        raise InvalidRequest(
            _("That page of the list no longer exists. This is the first one."), parameter=name
        ) from None


def segment(value: str) -> SegmentPair:
    """Parse `type:value`. Raises InvalidRequest."""
    try:
        return parse_segment(_storable(value))
    except InvalidSegment:
        raise InvalidRequest(_("Choose a segment from the list.")) from None


def _storable(value: str) -> str:
    if not is_storable(value):
        raise InvalidRequest(_("The address contains invalid characters."))
    return value


# A filter


def parse_filter(filter_class: type[F]) -> F:
    """Return the filter in the URL, which links set and no form shows. Raises InvalidRequest."""
    filter_, errors = parse_filter_form(filter_class)
    if errors:
        raise InvalidRequest(_("Part of the address was invalid and is ignored."), parameter=next(iter(errors)))
    return filter_


def parse_filter_form(filter_class: type[F]) -> tuple[F, dict[str, str]]:
    """Return the filter in the URL, and the error message of each invalid parameter."""
    types_, values, errors = get_type_hints(filter_class), {}, {}
    for field in fields(filter_class):  # type: ignore[arg-type]
        name = parameter_name(field)
        try:
            values[field.name] = _parser(types_[field.name])(request.args.getlist(name))
        except InvalidRequest as error:
            errors[name] = str(error)
    return filter_class(**values), errors


def filter_parameters(filter_: Any) -> QueryParameters:
    """Return the URL parameters of a filter: one for each field that is set."""
    written = {parameter_name(field): _write(getattr(filter_, field.name)) for field in fields(filter_)}
    return {name: values for name, values in written.items() if values}


def parameter_name(field: "Field[Any]") -> str:
    return str(field.metadata.get("parameter", field.name))


def _parser(hint: Any) -> Callable[[list[str]], Any]:
    """Return the function that parses a parameter's values as a field of this type."""
    if hint == tuple[SegmentPair, ...]:
        return lambda values: tuple(segment(value) for value in dict.fromkeys(values))
    optional = get_origin(hint) in (Union, types.UnionType)
    single = next(part for part in get_args(hint) if part is not type(None)) if optional else hint
    parse = _SINGLE_PARSERS.get(single) or _choice(get_args(single))
    return lambda values: _parse_single(values, parse, empty=None if optional else "")


def _parse_single(values: list[str], parse: Callable[[str], Any], *, empty: Any) -> Any:
    value = _storable(values[0].strip()) if values else ""
    return parse(value) if value else empty


def _choice(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise InvalidRequest(_("Choose an option from the list."))
        return value

    return parse


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise InvalidRequest(_("Enter a date as YYYY-MM-DD.")) from None


def _short(value: str) -> str:
    if len(value) > MAX_QUERY_LENGTH:
        raise InvalidRequest(_("At most %(count)s characters.", count=MAX_QUERY_LENGTH))
    return value


_SINGLE_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: _short,
    SegmentPair: segment,
    date: _day,
}


def _write(value: Any) -> list[str]:
    """Return the values of a parameter from which its field is parsed again."""
    if not value:
        return []
    if isinstance(value, SegmentPair):
        return [format_segment(value)]
    if isinstance(value, tuple):
        return [format_segment(pair) for pair in value]
    return [value.isoformat() if isinstance(value, date) else value]


# The URLs of a list


@dataclass(frozen=True)
class ListUrl:
    """The URLs of a list: with parameters changed, and on its first page unless a cursor is given."""

    parameters: QueryParameters
    endpoint: str | None = None
    """That of the request, if None."""

    def changed(self, **changes: Any) -> str:
        """Return the URL with these parameters set; those set to None are left out."""
        merged = {**self.parameters, **changes}
        values = {name: value for name, value in merged.items() if value not in (None, "", [], [""])}
        if self.endpoint:
            return url_for(self.endpoint, **values)
        return url_for(str(request.endpoint), **{**(request.view_args or {}), **values})

    def without(self, name: str, value: str) -> str:
        """Return the URL without one of several equal parameters."""
        return self.changed(**{name: [each for each in self.parameters.get(name, []) if each != value]})


# The list of customers


@dataclass(frozen=True)
class CustomerListQuery:
    """Which customers, in which order, from which cursor on."""

    filter: Filter
    order: Order
    after: tuple[Any, ...] | None = None
    before: tuple[Any, ...] | None = None

    @property
    def sort(self) -> str:
        return ("-" if self.order.descending else "") + self.order.by

    @property
    def parameters(self) -> QueryParameters:
        """The URL parameters of this list on its first page."""
        sort = {"sort": [self.sort]} if self.sort != DEFAULT_SORT else {}
        return filter_parameters(self.filter) | sort

    @property
    def query_string(self) -> str:
        """The parameters as text, the same for every URL of this list."""
        return urlencode(sorted(self.parameters.items()), doseq=True)

    def cursor(self, customer: CustomerRow) -> str:
        return encode_cursor(*self.order.cursor_of(customer), endpoint="pages.customers")


SortKey = Literal["id", "name", "updated"]
CURSOR_TYPES: dict[str, tuple[type, ...]] = {"id": (str,), "name": (str, str), "updated": (int, int, str)}
"""By sort key: what a cursor holds."""


def parse_customer_list() -> CustomerListQuery:
    """Return the list of customers in the URL. Raises InvalidRequest."""
    query, errors = parse_customer_list_form()
    if errors:
        raise InvalidRequest(next(iter(errors.values())))
    return query


def parse_customer_list_form() -> tuple[CustomerListQuery, dict[str, str]]:
    """Return the list of customers in the URL, and the error message of each invalid filter parameter.

    Raises InvalidRequest for a sort order or cursor that no page of ours links to.
    """
    filter_, errors = parse_filter_form(Filter)
    return _customer_list(filter_), errors


def _customer_list(filter_: Filter) -> CustomerListQuery:
    sort = text("sort") or DEFAULT_SORT
    key = sort.removeprefix("-")
    if key not in get_args(SortKey):
        raise InvalidRequest(_("You can sort by ID, name or last update."), parameter="sort")
    after, before = (cursor(name, *CURSOR_TYPES[key]) for name in ("after", "before"))
    order = Order(cast(SortKey, key), sort.startswith("-"))
    return CustomerListQuery(filter_, order, tuple(after) if after else None, tuple(before) if before else None)
