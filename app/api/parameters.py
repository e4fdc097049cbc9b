"""Query parameters: every value from outside passes one of these typed fields, or is refused with 400."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from flask import Request
from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, missing, pre_load
from webargs.flaskparser import FlaskParser

from app.core.errors import InputError, InvalidInput
from app.core.limits import MAX_PAGE_SIZE
from app.core.models.customers import is_storable
from app.serialization.request_schemas import Text, parse_timestamp
from app.serialization.segment_notation import InvalidSegment, parse_segment
from app.web.cursors import InvalidCursor, decode_cursor

UNSTORABLE = "U+0000 and lone surrogates cannot be stored."
OPTIONAL: dict[str, Any] = {"load_default": lambda: None, "allow_none": False}
"""A field that is None if it is missing; the call keeps the default out of the description, where null is no value."""

EXTRA_HEADERS = ("Idempotency-Key", "Guard")
"""Headers that change what a write does: an operation that does not support one refuses it (contract §8)."""


class ParameterParser(FlaskParser):
    """Reads query and headers by their schemas; errors are those of the domain."""

    USE_ARGS_POSITIONAL = False
    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {}  # noqa: RUF012 - each schema states its own

    def get_default_arg_name(self, location: str, schema: Any) -> str:
        return location

    def load_querystring(self, req: Request, schema: Schema) -> dict[str, Any]:
        """Return the values by name: a list for a repeatable parameter, otherwise one value."""
        repeatable = {name for name, field in schema.fields.items() if isinstance(field, fields.List)}
        query = req.args.to_dict(flat=False)
        repeated = [name for name, values in query.items() if len(values) > 1 and name not in repeatable]
        if repeated:
            raise ValidationError({name: ["Must not be repeated."] for name in repeated})
        return {name: values if name in repeatable else values[0] for name, values in query.items()}

    def load_headers(self, req: Request, schema: Schema) -> dict[str, Any]:
        """Return the headers that the schema declares, and those that no operation may ignore."""
        names = {*(str(field.data_key) for field in schema.fields.values()), *EXTRA_HEADERS}
        return {name: req.headers[name] for name in names if name in req.headers}

    def handle_error(self, error: ValidationError, *args: Any, **kwargs: Any) -> Any:
        ((location, messages),) = dict(error.messages).items()  # type: ignore[arg-type]
        raise InvalidInput(_flatten(messages), f"the {location}") from None


def _flatten(messages: Mapping[str, Any]) -> Iterator[InputError]:
    for name, texts in messages.items():
        for text in texts if isinstance(texts, list) else [next(iter(texts.values()))[0]]:
            yield str(name), text


class QuerySchema(Schema):
    """The query of an operation; a parameter that is not declared is refused (contract §8)."""

    error_messages = {"unknown": "Unknown parameter."}  # noqa: RUF012 - as marshmallow declares it

    class Meta:
        unknown = RAISE


class LenientQuerySchema(QuerySchema):
    """A query in which only those unknown parameters are refused that resemble an extra (contract §8).

    That is a declared parameter, or a header: `?idempotency_key=` would make a client believe that it may repeat.
    """

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def refuse_misspelt(self, query: Mapping[str, Any], **_kwargs: Any) -> Mapping[str, Any]:
        unknown = query.keys() - self.fields.keys()
        extras = {name: name for name in self.fields} | {name: f"the header {name}" for name in EXTRA_HEADERS}
        similar = {name: extras[known] for name in unknown for known in extras if _resembles(name, known)}
        if similar:
            raise ValidationError({name: [f"Did you mean {text}?"] for name, text in similar.items()})
        return query


def _resembles(name: str, known: str) -> bool:
    """Return whether the names are equal in lower case without `-` and `_`, or one edit apart."""
    plain, plain_known = (text.lower().replace("-", "").replace("_", "") for text in (name, known))
    return _within_one_edit(plain, plain_known) or _within_one_edit(name.lower(), known.lower())


def _within_one_edit(one: str, other: str) -> bool:
    """Return whether a letter more, less, another one or two exchanged turn one text into the other."""
    shorter, longer = sorted((one, other), key=len)
    while shorter and shorter[0] == longer[0]:
        shorter, longer = shorter[1:], longer[1:]
    if len(shorter) == len(longer):
        return shorter[1:] == longer[1:] or shorter[1::-1] + shorter[2:] == longer
    return shorter == longer[1:]


# Fields


class Flag(fields.Boolean):
    """`true` or `false`; false if it is missing."""

    default_error_messages = {"invalid": "Must be true or false."}  # noqa: RUF012

    def __init__(self, description: str) -> None:
        super().__init__(load_default=False, metadata={"description": description})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if value.lower() not in ("true", "false"):
            raise self.make_error("invalid")
        return bool(value.lower() == "true")


class Limit(fields.Integer):
    """The size of a page; the maximum if it is missing or empty."""

    def __init__(self, maximum: int = MAX_PAGE_SIZE) -> None:
        self.maximum = maximum
        metadata = {"description": "Maximum number of elements.", "minimum": 1, "maximum": maximum}
        super().__init__(load_default=maximum, metadata=metadata)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if value == "":
            return self.maximum
        if not (value.isascii() and value.isdecimal() and len(value) < 10 and 0 < int(value) <= self.maximum):
            raise ValidationError(f"Must be a whole number from 1 to {self.maximum}.")
        return int(value)


class Seconds(fields.Integer):
    """A whole number of seconds; 0 if it is missing."""

    def __init__(self, maximum: int, description: str) -> None:
        self.maximum = maximum
        super().__init__(load_default=0, metadata={"description": description, "minimum": 0, "maximum": maximum})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if not (value.isascii() and value.isdecimal() and len(value) < 10 and int(value) <= self.maximum):
            raise ValidationError(f"Must be a whole number from 0 to {self.maximum}.")
        return int(value)


class Timestamp(fields.DateTime):
    """An RFC 3339 time."""

    def __init__(self, description: str) -> None:
        super().__init__(**OPTIONAL, metadata={"description": description})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime:
        try:
            return parse_timestamp(value[:11] + value[11:].replace(" ", "+"))  # an unencoded + arrives as a space
        except ValueError:
            raise ValidationError("Must be an RFC 3339 time such as 2026-11-23T08:00:00Z.") from None


class Cursor(fields.String):
    """A position in a list, as an earlier answer of the same list gave it out; None if it is missing or empty."""

    def __init__(self, *types: type, description: str = "`next` of the page before.") -> None:
        self.types = types
        super().__init__(**OPTIONAL, metadata={"description": description})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return tuple(decode_cursor(value, *self.types)) if value else None
        except InvalidCursor as error:
            raise ValidationError(str(error)) from None


class SegmentFilter(fields.List[Any]):
    """`type:value`, any number of times; the pairs, each once."""

    def __init__(self, description: str, **options: Any) -> None:
        super().__init__(_SegmentText(), load_default=tuple, metadata={"description": description}, **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return tuple(dict.fromkeys(super()._deserialize(value, *args, **kwargs)))


class _SegmentText(fields.String):
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            pair = parse_segment(value)
        except InvalidSegment:
            raise ValidationError("Must be type:value, such as membership:GOLD.") from None
        if not all(is_storable(part) for part in pair):
            raise ValidationError(UNSTORABLE)
        return pair


class Choice(fields.String):
    """One of some words; None if it is missing or empty."""

    def __init__(self, *words: str, description: str) -> None:
        self.words = words
        super().__init__(**OPTIONAL, metadata={"description": description, "enum": list(words)})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value not in ("", *self.words):
            raise ValidationError(f"Must be {' or '.join(self.words)}.")
        return value or None


class Choices(fields.List[Any]):
    """Some of several words, each once."""

    def __init__(self, *words: str, description: str) -> None:
        inner = Choice(*words, description="One of the words.")
        super().__init__(inner, load_default=tuple, metadata={"description": description})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return tuple(dict.fromkeys(word for word in super()._deserialize(value, *args, **kwargs) if word))


class RequiredChoice(Choice):
    """One of some words, which must be sent."""

    def __init__(self, *words: str, description: str) -> None:
        super().__init__(*words, description=description)
        self.required, self.load_default = True, missing

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        word = super()._deserialize(value, *args, **kwargs)
        if word is None:
            raise ValidationError(f"Must be {' or '.join(self.words)}.")
        return word


class SegmentTypes(fields.String):
    """Segment types, separated by commas; a comma or percent sign in a type is percent-encoded once more."""

    def __init__(self, description: str) -> None:
        super().__init__(**OPTIONAL, metadata={"description": description})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        types = frozenset(unquote(part) for part in value.split(","))
        if not all(is_storable(type_) for type_ in types):
            raise ValidationError(UNSTORABLE)
        return types


def identifier(description: str, example: str | None = None) -> fields.String:
    """Return a field for an identifier; one that the database cannot store is simply not found."""
    metadata = {"description": description, **({"example": example} if example else {})}
    return fields.String(**OPTIONAL, metadata=metadata)


def text(description: str) -> Text:
    """Return a field for any text that the database can store; None if it is missing."""
    return Text(**OPTIONAL, metadata={"description": description})


# Parameters that several operations have


class PageQuery(QuerySchema):
    limit = Limit()


class DryRunQuery(QuerySchema):
    dry_run = Flag("The same checks and answer; nothing is written.")
