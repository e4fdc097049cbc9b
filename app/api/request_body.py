"""Reading a JSON body: its type, its size, its encoding."""

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
    """Not JSON in UTF-8, plain or gzipped."""


class MalformedJson(DomainError):
    """The body is not JSON."""


class TooLarge(DomainError):
    """More than one request may carry; the message names the limit."""


def customers_body() -> Any:
    """The body of a request about many customers; too many of them are TooLarge before anything else is looked at."""
    body = json_body()
    limit = current_app.config["MAX_CUSTOMERS_PER_REQUEST"]
    customers = body.get("customers") if isinstance(body, dict) else None
    if isinstance(customers, list) and len(customers) > limit:
        raise TooLarge(f"{len(customers)} customers are more than {limit} (MAX_CUSTOMERS_PER_REQUEST).")
    return body


def json_body() -> Any:
    """The request's body, parsed; of one that may come again, `g.body_digest` tells whether it is the same.

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
        told_apart = _without_lone_surrogates(body)
        if told_apart != body:
            return _parse_json(told_apart)
        raise MalformedJson(f"The body is not JSON: {error.msg}." if body else "The body is empty.") from None


HIGH, LOW = (rb"\\u[dD][" + third + rb"][0-9a-fA-F]{2}" for third in (b"89abAB", b"c-fC-F"))
LONE = re.compile(HIGH + b"(?!" + LOW + b")|(?<!" + HIGH + b")" + LOW)


def _without_lone_surrogates(body: bytes) -> bytes:
    """They are JSON, though no text: as U+0000 they are refused where a text is wanted, and nowhere else."""
    backslash, stand_in = rb"\\", b"\0\0"
    if b"\0" in body:
        return body  # which is no JSON, whatever else it holds
    return LONE.sub(rb"\\u0000", body.replace(backslash, stand_in)).replace(stand_in, backslash)


def _decode(body: bytes, limit: int) -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        return _gunzip(body, limit)
    if encoding != "identity":
        raise UnsupportedMediaType("Send the body as it is, or with Content-Encoding: gzip.")
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    """Never much more than `limit` bytes come into being, whatever the body would unfold to."""
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
