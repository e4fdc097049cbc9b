"""The types of a request's segments: those that it names, and those that its token is limited to (contract §8)."""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from app.api.auth import current_client
from app.api.parameters import UNSTORABLE
from app.core.changes.type_limits import TypeForbidden, changes_other_types
from app.core.errors import InputError, InvalidInput
from app.core.models.customers import is_storable
from app.core.models.segments import SegmentPair, Segments

OF_TOKEN = "Is not one of the types of the token."  # noqa: S105 - a message
OF_REQUEST = "Is not one of the types of the request."


def replaced_types(body: Any, types: frozenset[str] | None) -> frozenset[str] | None:
    """Return the types that are replaced: those of the query, else those of the token, else None for all.

    Raises TypeForbidden and InvalidInput if the query or the body has others.
    """
    replaced = job_types(types)
    check_token_types(body, "segments")
    if types is not None:
        _refuse(InvalidInput, _other_types(body, ("segments",), types, OF_REQUEST))
    return replaced or None


def job_types(types: frozenset[str] | None) -> frozenset[str]:
    """Return the types that a job may change: those of the query, else those of the token, else none for all.

    Raises TypeForbidden if the query has others than the token.
    """
    allowed = current_client().types
    if allowed and types and not types <= allowed:
        raise TypeForbidden([("types", OF_TOKEN)])
    return types or allowed


def check_token_types(body: Any, *members: str) -> None:
    """Raise TypeForbidden if these members of a customer name a type that the token is not limited to."""
    allowed = current_client().types
    if allowed:
        _refuse(TypeForbidden, _other_types(body, members, allowed, OF_TOKEN))


def changed_segment(type_: str, value: str, source: str = "the path") -> SegmentPair:
    """Return the segment that a request changes as a whole, from its path or body.

    Raises InvalidInput, and TypeForbidden if the token is limited to other types.
    """
    errors = [(name, UNSTORABLE) for name, text in (("type", type_), ("value", value)) if not is_storable(text)]
    if errors:
        raise InvalidInput(errors, source)
    allowed = current_client().types
    if allowed and type_ not in allowed:
        raise TypeForbidden([("type", OF_TOKEN)])
    return SegmentPair(type_, value)


def check_put_types(before: Segments, after: Segments) -> None:
    """Raise TypeForbidden if segments of one customer change whose type the token is not limited to."""
    allowed = current_client().types
    if not allowed or not changes_other_types(before, after, allowed):
        return
    pairs = {SegmentPair.of(segment) for segment in before}
    added = [
        (f"segments[{position}].type", OF_TOKEN)
        for position, segment in enumerate(after)
        if segment["type"] not in allowed and SegmentPair.of(segment) not in pairs
    ]
    raise TypeForbidden(added or [("segments", "Segments of other types must stay as they are.")])


def _refuse(error: type[InvalidInput | TypeForbidden], errors: Iterator[InputError]) -> None:
    """Raise the error, if there is any; the errors of a large body are not held all at once."""
    first = next(errors, None)
    if first:
        raise error(chain([first], errors))


def _other_types(body: Any, members: tuple[str, ...], types: Collection[str], message: str) -> Iterator[InputError]:
    return (
        (f"customers[{index}].{member}[{position}].type", message)
        for index, row in enumerate(body["customers"])
        for member in members
        for position, segment in enumerate(row.get(member) or [])
        if segment["type"] not in types
    )
