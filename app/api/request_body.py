"""Reading a JSON body: its media type, its size, its encoding."""

import gzip
import io
import re
import zlib
from codecs import BOM_UTF8
from hashlib import sha256
from typing import Any

import orjson
from flask import current_app, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.api import large_json
from app.core.errors import BadRequest, TooLarge, UnsupportedMediaType

JSON_LINES_TYPES = ("application/x-ndjson", "application/jsonl")


class MalformedJson(BadRequest):
    code = "MALFORMED_JSON"
    explanation = "The body is empty, not JSON, or not UTF-8."
    example = "The body is empty."


def customers_body() -> Any:
    """Return the body of a request about many customers; the number of customers is checked before anything else.

    Raises what `json_body` raises.
    """
    body = json_body()
    limit = current_app.config["MAX_CUSTOMERS_PER_REQUEST"]
    customers = body.get("customers") if isinstance(body, dict) else None
    if isinstance(customers, list) and len(customers) > limit:
        error = TooLarge(f"{len(customers)} customers are more than {limit} (MAX_CUSTOMERS_PER_REQUEST).")
        while customers:  # freed at once, 200,000 customers hold the interpreter for 140 ms
            del customers[-1_000:]
        raise error
    return body


def json_body() -> Any:
    """Return the parsed body; with an Idempotency-Key, `g.body_digest` identifies it.

    Raises UnsupportedMediaType, TooLarge and MalformedJson.
    """
    return _parse_json(_read("application/json"))


def optional_json_body() -> Any:
    """Return the parsed body; without one an empty object, whatever the media type. Raises what `json_body` raises."""
    return json_body() if _raw(cache=True) else {}


def is_json_lines() -> bool:
    return request.mimetype in JSON_LINES_TYPES


def json_lines_body() -> dict[int, Any]:
    """Return the parsed lines by their numbers; blank lines are left out.

    Raises what `json_body` raises: also for a body without lines, which may come from an export that failed.
    """
    lines = enumerate(_read(*JSON_LINES_TYPES).splitlines(), start=1)
    texts = {number: line for number, line in lines if line.strip()}
    if not texts:
        raise MalformedJson(MalformedJson.example)
    try:
        values = large_json.loads_lines(texts.values())
    except orjson.JSONDecodeError:
        values = []
    if len(values) != len(texts):  # a line is not JSON, or not one value
        values = [_parse_line(number, text) for number, text in texts.items()]
    return dict(zip(texts, values, strict=True))


def _parse_line(number: int, text: bytes) -> Any:
    try:
        return _parse_json(text)
    except MalformedJson as error:
        raise MalformedJson(f"Line {number} is not JSON. {error}") from None


def _read(*media_types: str) -> bytes:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in media_types or charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(UnsupportedMediaType.example)
    body = _decode(_raw(cache=False), current_app.config["MAX_BODY_BYTES"]).removeprefix(BOM_UTF8)
    if "Idempotency-Key" in request.headers:
        g.body_digest = sha256(body).hexdigest()
    return body


def _raw(*, cache: bool) -> bytes:
    """Return the body as it was sent; without `cache`, once."""
    try:
        body = request.get_data(cache=cache)
    except RequestEntityTooLarge:
        raise _too_large(current_app.config["MAX_BODY_BYTES"]) from None
    if not cache:
        request.environ["wsgi.input"].close()  # releases the server's copy
    return body


def _parse_json(body: bytes) -> Any:
    try:
        return large_json.loads(body)
    except orjson.JSONDecodeError as error:
        replaced = _replace_lone_surrogates(body)
        if replaced != body:
            return _parse_json(replaced)
        raise MalformedJson(f"The body is not JSON: {error.msg}." if body else MalformedJson.example) from None


HIGH, LOW = (rb"\\u[dD][" + third + rb"][0-9a-fA-F]{2}" for third in (b"89abAB", b"c-fC-F"))
LONE = re.compile(HIGH + b"(?!" + LOW + b")|(?<!" + HIGH + b")" + LOW)


def _replace_lone_surrogates(body: bytes) -> bytes:
    """Replace lone surrogates by U+0000: they are JSON, though not text, and are refused only where text is read."""
    backslash, placeholder = rb"\\", b"\0\0"
    if b"\0" in body:
        return body  # not JSON in any case
    return LONE.sub(rb"\\u0000", body.replace(backslash, placeholder)).replace(placeholder, backslash)


def _decode(body: bytes, limit: int) -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        return _gunzip(body, limit)
    if encoding != "identity":
        raise UnsupportedMediaType("Send the body uncompressed, or with Content-Encoding: gzip.")
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    """Decompress no more than `limit` bytes, whatever the body would expand to."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            plain = file.read(limit + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise MalformedJson("The body is not gzip, or ends too early.") from None
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _too_large(limit: int) -> TooLarge:
    return TooLarge(TooLarge.example.format(bytes=limit))
