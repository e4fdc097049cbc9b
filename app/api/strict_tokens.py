"""The rules of segment types, for requests of tokens that obey them; other tokens may send any segments."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from sqlalchemy.orm import Session

from app.api.auth import current_client
from app.core.changes.segment_updates import SegmentPatch
from app.core.errors import InputError, InvalidInput
from app.core.models.customers import select_segments
from app.core.models.segment_rules import NO_RULES, NOT_LISTED, TWO_VALUES, SegmentRules, load_rules
from app.core.models.segments import SegmentPair, Segments, distinct_pairs


def _rules() -> SegmentRules:
    return load_rules() if current_client().strict else NO_RULES


def check_rules(body: Any, member: str) -> None:
    """Raise InvalidInput if this member of a customer has segments that break the rules."""
    rules = _rules()
    if rules.by_type:
        _refuse(_errors(rules, body["customers"], member))


def _errors(rules: SegmentRules, customers: list[Any], member: str) -> Iterator[InputError]:
    for index, row in enumerate(customers):
        segments = row.get(member) or []
        for position, segment in enumerate(segments):
            if rules.is_refused(SegmentPair.of(segment)):
                yield f"customers[{index}].{member}[{position}].value", NOT_LISTED
        if rules.with_two_values(segments):
            yield f"customers[{index}].{member}", TWO_VALUES


def check_new_segments(before: Segments, after: Segments) -> None:
    """Raise InvalidInput if segments that one customer gains break the rules."""
    rules = _rules()
    existing, two_values = set(distinct_pairs(before)), rules.with_two_values(after)
    for position, pair in enumerate(map(SegmentPair.of, after)):
        if pair not in existing and rules.is_refused(pair):
            raise InvalidInput([(f"segments[{position}].value", NOT_LISTED)])
        if pair not in existing and pair.type in two_values:
            raise InvalidInput([("segments", TWO_VALUES)])


def check_pair(pair: SegmentPair) -> None:
    """Raise InvalidInput if customers may not gain the segment."""
    if _rules().is_refused(pair):
        raise InvalidInput([("value", NOT_LISTED)])


def added_single_types(patches: Iterable[SegmentPatch]) -> frozenset[str]:
    """Return the types that take one value and that these patches add to, if the token obeys the rules."""
    single = _rules().single_types
    return frozenset(segment["type"] for patch in patches for segment in patch.add if segment["type"] in single)


def check_single_values(session: Session, types: frozenset[str], document_ids: list[str]) -> None:
    """Raise InvalidInput if one of the customers has two values of one of these types, now that they are changed."""
    if types:
        two_values = _rules().with_two_values
        rows = session.execute(select_segments(document_ids))
        _refuse(("customers", f"{id_}: {TWO_VALUES}") for id_, segments in rows if types & two_values(segments))


def check_added_value(session: Session, pair: SegmentPair, document_ids: list[str]) -> None:
    """Raise InvalidInput if one of the customers, who are about to gain a segment, has another value of its type."""
    if pair.type in _rules().single_types and document_ids:
        rows = session.execute(select_segments(document_ids))
        has_type = ((id_, any(segment["type"] == pair.type for segment in segments)) for id_, segments in rows)
        _refuse(("document_ids", f"{id_}: {TWO_VALUES}") for id_, has in has_type if has)


def _refuse(errors: Iterable[InputError]) -> None:
    """Raise InvalidInput, if there are errors; those of a large body are not held all at once."""
    remaining = iter(errors)
    first = next(remaining, None)
    if first:
        raise InvalidInput(chain([first], remaining))
