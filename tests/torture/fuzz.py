"""Feed every parser of outside input with mutated samples: it returns a value or refuses, and never fails otherwise.

    python -m tests.torture.fuzz [--inputs 1000000] [--seed 7] [--parser "segment notation"]

Prints the inputs per parser, and for a failure the input and the seed that repeats it. Exit code 1 means a failure.
"""

import argparse
import io
import random
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

import orjson
from flask import Flask, current_app
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from app import create_app
from app.access.email_addresses import parse_email
from app.access.ip_allowlist import InvalidNetwork, parse_networks
from app.access.token_types import parse_types
from app.core.errors import DomainError
from app.core.search.terms import index_terms, parse_query
from app.files.columns import detect_columns, make_row_parser, validate_columns
from app.files.formats import UnreadableFile, detect_format
from app.files.reading import open_plain, open_stream
from app.files.redaction import rows_without
from app.pages.days import parse_two_valid_days
from app.pages.editor import parse_editor
from app.pages.list_query import parse_customer_list
from app.serialization.request_schemas import parse_customers, parse_patches, parse_replacements, parse_timestamp
from app.serialization.segment_notation import InvalidSegment, parse_segment
from app.settings import SETTINGS, InvalidSettings
from app.web.cursors import InvalidCursor, decode_cursor
from app.webhooks.url_policy import DisallowedUrl, parse_url


@dataclass(frozen=True)
class FuzzTarget:
    """A parser, valid samples of its input, and the exceptions by which it may refuse."""

    parse: Callable[[bytes], object]
    samples: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...]


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """Make a parser of text from one of bytes, as a URL or form is decoded."""
    return lambda data: parse(data.decode("utf-8", "surrogatepass" if data.isascii() else "replace"))


def _json(parse: Callable[[object], object]) -> Callable[[bytes], object]:
    """Parse the JSON first; what is not JSON is refused before the parser sees it."""

    def parse_json(data: bytes) -> object:
        try:
            body = orjson.loads(data)
        except orjson.JSONDecodeError:
            return None
        return parse(body)

    return parse_json


def _query(parse: Callable[[], object]) -> Callable[[bytes], object]:
    """Make a parser of a page's URL: the input is its query string."""

    def parse_query_string(data: bytes) -> object:
        with current_app.test_request_context("/", query_string=quote(data, safe="&=%+[]:;/?")):
            return parse()

    return parse_query_string


def _editor(data: bytes) -> object:
    return parse_editor(MultiDict(parse_qsl(data.decode(errors="replace"), keep_blank_values=True)))


def _file_without_rows(data: bytes) -> int:
    """Write a file anew without the rows about a customer, as an erasure does."""

    def is_about(id_: str | None, texts: list[str]) -> bool:
        return id_ == "1" or "Ana" in texts

    with open_plain(io.BytesIO(data), max_uncompressed=1_000_000) as (plain, format_):
        return sum(map(len, rows_without(plain, format_, None, is_about)))


def _file(data: bytes) -> int:
    """Read a file as an import does: detect its format and columns, and parse each row."""
    with open_stream(io.BytesIO(data), max_uncompressed=1_000_000) as source:
        roles = detect_columns(source.columns or [])
        if source.columns is not None and validate_columns(roles):
            return 0
        parse_row = make_row_parser(source.format, roles, source.notes)
        return sum(1 for line in source.lines if not line.error and parse_row(line))


def _settings(text: str) -> None:
    for setting in SETTINGS:
        try:
            setting.parse(text)
        except (ValueError, InvalidSettings):
            continue


REFUSED = (DomainError, HTTPException)

BODY = b'{"customers": [{"document_id": "1", "segments": [{"type": "a", "value": "b"}]}]}'
PATCHES = b'{"customers": [{"document_id": "1", "add": [{"type": "a", "value": "b"}], "remove": []}]}'
PROFILES = '{"customers": [{"document_id": "1", "name": "Íñigo", "email": "a@b.co", "phone": null}]}'.encode()
CSV = b'document_id,name,segments\n1,"Ana, B","[{""type"": ""a"", ""value"": ""b""}]"\n2,,\n'

TARGETS: dict[str, FuzzTarget] = {
    "replacements": FuzzTarget(_json(parse_replacements), (BODY,), (DomainError,)),
    "patches": FuzzTarget(_json(parse_patches), (PATCHES,), (DomainError,)),
    "profiles": FuzzTarget(_json(parse_customers), (PROFILES,), (DomainError,)),
    "timestamp": FuzzTarget(
        _text(parse_timestamp), (b"2026-11-23T08:00:00Z", b"2026-11-23t08:00:00.123456+01:00"), (ValueError,)
    ),
    "segment notation": FuzzTarget(
        _text(parse_segment), (b"membership:GOLD", b"a%3Ab:c", b":", b"%25:"), (InvalidSegment,)
    ),
    "cursor": FuzzTarget(_text(decode_cursor), (b"ImEi.aaaa.bbbb", b"W10.x.y"), (InvalidCursor,)),
    "networks": FuzzTarget(
        _text(lambda text: parse_networks(text.split("\n"))), (b"10.0.0.0/8\n::1", b"192.168.1.1"), (InvalidNetwork,)
    ),
    "webhook URL": FuzzTarget(
        _text(parse_url), (b"https://example.com/hook", b"https://[2001:db8::1]:8443/x?y"), (DisallowedUrl,)
    ),
    "search query": FuzzTarget(_text(parse_query), ("maria muñoz".encode(), b"+57 310-123 45", b"V-12.345.678"), ()),
    "search terms": FuzzTarget(
        _text(lambda text: index_terms(text, {"name": text, "email": text, "phone": text})),
        ("Íñigo Peña".encode(), b"A.B@Example.com", b"(+57) 310 1234567"),
        (),
    ),
    "file format": FuzzTarget(detect_format, (CSV, b"sep=;\na;b\n", "á;é\n".encode("utf-16")), (UnreadableFile,)),
    "file": FuzzTarget(_file, (CSV, b'{"document_id": "1"}\n', b'[{"document_id": "1"}]'), (DomainError,)),
    "file without rows": FuzzTarget(
        _file_without_rows,
        (CSV, b'{"document_id": "1"}\n', b'[{"document_id": "1"}]', CSV.decode().encode("utf-16")),
        REFUSED,
    ),
    "list of customers": FuzzTarget(
        _query(parse_customer_list),
        (b"q=ana&segment=a%3Ab&without=c:d&has=none&limit=50", b"sort=name&cursor=W10.x.y"),
        REFUSED,
    ),
    "two days": FuzzTarget(
        _query(parse_two_valid_days), (b"start=2026-01-31&end=2026-02-28", b"end=9999-12-31"), REFUSED
    ),
    "editor": FuzzTarget(
        _editor, (b'type=a&value=b&original_index=0&removed=&base=[{"type":"a","value":"b"}]&version=12',), REFUSED
    ),
    "email": FuzzTarget(_text(parse_email), (b"ana@example.com", "ána@exämple.com".encode()), REFUSED),
    "types of a token": FuzzTarget(_text(lambda text: parse_types(text.split(","))), (b"membership,region",), REFUSED),
    "settings": FuzzTarget(_text(_settings), (b"8000", b"600 per minute", b"host:443", b"postgres://u@h/d"), ()),
}

SPECIAL = (
    *(bytes([number]) for number in (0, 9, 10, 13, 27, 32, 34, 39, 44, 58, 59, 123, 125, 127, 128, 255)),
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "\u0130".encode(),
    "\u202e".encode(),
    "\U0001f600".encode(),
    "\u0301".encode() * 40,
    b"%00",
    b"%ff",
    b"\\u0000",
    b"\\ud800",
    b"9" * 400,
    b"-1",
    b"1e999",
    b"[" * 200,
    b'{"a":' * 100,
    b"null",
    b"\x1f\x8b\x08",
)


def mutate(samples: tuple[bytes, ...], rng: random.Random) -> bytes:
    """Return a sample with up to six random changes."""
    data = bytearray(rng.choice(samples))
    for _ in range(rng.randrange(7)):
        place, length = rng.randrange(len(data) + 1), rng.choice((0, 0, 1, 1, 2, 8))
        piece = rng.choice(SPECIAL) if rng.random() < 0.5 else rng.randbytes(rng.randrange(3))
        if rng.random() < 0.1:
            piece = bytes(data[place : place + 20]) * rng.randrange(1, 4)
        data[place : place + length] = piece
    return bytes(data[:20_000])


def run(targets: Iterable[str], inputs: int, seed: int) -> list[str]:
    """Feed each parser with `inputs` inputs and return a description of each failure, one per parser."""
    failures = []
    for name in targets:
        target, rng = TARGETS[name], random.Random(f"{seed}-{name}")
        for number in range(inputs):
            data = mutate(target.samples, rng)
            try:
                target.parse(data)
            except target.refusals:
                continue
            except Exception:
                failures.append(f"{name}, input {number}: {data!r}\n{traceback.format_exc(limit=-4)}")
                break
        print(f"{name}: {inputs if not failures else number + 1:,} inputs", flush=True)
    return failures


def application() -> Flask:
    return create_app({"DATABASE_URL": "sqlite://", "SECRET_KEY": "fuzz " * 10})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="in total, shared by all parsers")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--parser", action="append", choices=TARGETS)
    options = parser.parse_args()
    names = options.parser or list(TARGETS)
    print(f"seed {options.seed}", flush=True)
    with application().test_request_context("/"):
        failures = run(names, options.inputs // len(names), options.seed)
    for failure in failures:
        print(f"FAILED {failure}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
