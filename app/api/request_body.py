"""Read the JSON body of a request: check its type, size and encoding, and parse it."""

import gzip
import io
import re
import zlib
from hashlib import sha256
from typing import Any

import orjson
from flask import current_app, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.core.errors import DomainError


class UnsupportedMediaType(DomainError):
    """The body is not JSON in UTF-8, plain or compressed with gzip."""


class MalformedJson(DomainError):
    """The body is not JSON."""


class TooLarge(DomainError):
    """The request exceeds a limit. The message names the limit."""


def customers_body() -> Any:
    """Return the body of a request with `customers`. Raises TooLarge before the schema validates the customers."""
    body = json_body()
    limit = current_app.config["MAX_CUSTOMERS_PER_REQUEST"]
    customers = body.get("customers") if isinstance(body, dict) else None
    if isinstance(customers, list) and len(customers) > limit:
        raise TooLarge(f"{len(customers)} customers are more than {limit} (MAX_CUSTOMERS_PER_REQUEST).")
    return body


def json_body() -> Any:
    """Return the parsed body. If the request has an Idempotency-Key, store the digest of the body in `g.body_digest`.

    Raises UnsupportedMediaType, TooLarge and MalformedJson.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("Send Content-Type: application/json, in UTF-8.")
    limit = current_app.config["MAX_BODY_BYTES"]
    try:
        body = _decode(request.get_data(cache=False), limit)
    except RequestEntityTooLarge:
        raise _too_large(limit) from None
    if "Idempotency-Key" in request.headers:
        g.body_digest = sha256(body).hexdigest()
    return _parse_json(body)


def _parse_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        replaced = _replace_lone_surrogates(body)
        if replaced != body:
            return _parse_json(replaced)
        raise MalformedJson(f"The body is not JSON: {error.msg}." if body else "The body is empty.") from None


HIGH, LOW = (rb"\\u[dD][" + third + rb"][0-9a-fA-F]{2}" for third in (b"89abAB", b"c-fC-F"))
LONE = re.compile(HIGH + b"(?!" + LOW + b")|(?<!" + HIGH + b")" + LOW)


def _replace_lone_surrogates(body: bytes) -> bytes:
    """Replace lone surrogates by U+0000.

    They are valid JSON but not valid text. Validation refuses U+0000 in document_ids, types and values; in properties
    that are ignored it does no harm.
    """
    backslash, placeholder = rb"\\", b"\0\0"
    if b"\0" in body:
        return body  # not valid JSON in any case
    return LONE.sub(rb"\\u0000", body.replace(backslash, placeholder)).replace(placeholder, backslash)


def _decode(body: bytes, limit: int) -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        return _gunzip(body, limit)
    if encoding != "identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding, or with Content-Encoding: gzip.")
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    """Return the decompressed body. Decompression stops after `limit` bytes."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            plain = file.read(limit + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise MalformedJson("The body is not gzip, or ends too early.") from None
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes (MAX_BODY_BYTES).")
