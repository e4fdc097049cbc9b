"""Parsers of the values of settings. Each returns the value, and raises ValueError with what it must be."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import limits
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.access.operators import ROLES

MIN_SECRET_LENGTH = 16

LANGUAGES = {"en": "English", "es": "Español", "pt_BR": "Português"}
"""The languages of the pages, by locale, each under its own name."""

_HOST_NAME = re.compile(r"\.?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def text(value: str) -> str:
    return value


def at_least(minimum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isdecimal() or int(value) < minimum:
            raise ValueError(f"must be a whole number, at least {minimum}")
        return int(value)

    return parse


def port(value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise ValueError("must be a port, 1 to 65535")
    return int(value)


def log_format(value: str) -> str:
    if value not in ("text", "json"):
        raise ValueError("must be text or json")
    return value


def database_url(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("must be a database URL such as postgresql://user:password@host/name") from None
    if url.get_backend_name() == "sqlite":
        return value
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return normalize_database_url(url.set(drivername="postgresql+psycopg"))
    raise ValueError("must begin with postgresql:// or sqlite:///")


def replica_url(value: str) -> str:
    url = database_url(value)
    if make_url(url).get_backend_name() == "sqlite":
        raise ValueError("must begin with postgresql://")
    return url


def normalize_database_url(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def rate(value: str) -> str:
    try:
        (_,) = limits.parse_many(value)
    except ValueError:
        raise ValueError("must be a rate such as 600 per minute") from None
    return value


def hosts(value: str) -> frozenset[tuple[str, int]]:
    hosts = set()
    for part in value.split(","):
        host, _, port = part.strip().lower().rpartition(":")
        if not host.strip("[]") or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError("must be hosts with their ports, such as hooks.internal:8080, 10.0.0.7:443")
        hosts.add((host.strip("[]"), int(port)))
    return frozenset(hosts)


def address(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("must be an address such as 127.0.0.1:9100")
    return host, int(port)


def needs(package: str, example: str) -> Callable[[str], str]:
    """Return a parser of an address that only `package` uses, which is not among the requirements of the service."""

    def parse(value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError(f"must be an address such as {example}")
        if find_spec(package) is None:
            raise ValueError("needs the packages of deploy/requirements-telemetry.txt")
        return value

    return parse


def log_url(value: str) -> str:
    if not value.startswith(("https://", "http://")) or "{request_id}" not in value:
        raise ValueError("must be an address such as https://logs.example.com/?query={request_id}")
    return value


def trusted_hosts(value: str) -> list[str]:
    hosts = [part.strip().lower() for part in value.split(",")]
    if not all(_HOST_NAME.fullmatch(host) for host in hosts):
        raise ValueError("must be host names such as segments.example.com, .internal.example.com")
    return hosts


def origins(value: str) -> frozenset[str]:
    origins = frozenset(part.strip().lower() for part in value.split(","))
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be origins such as https://shop.example.com")
    return origins


def secret(value: str) -> str:
    if len(value) < MIN_SECRET_LENGTH:
        raise ValueError(f"must have at least {MIN_SECRET_LENGTH} characters: use a long random text")
    return value


def secrets(value: str) -> list[str]:
    return [secret(part.strip()) for part in value.split(",")]


def locale(value: str) -> str:
    if value not in LANGUAGES:
        raise ValueError(f"must be one of {', '.join(LANGUAGES)}")
    return value


def time_zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as America/Bogota or UTC") from None


def roles(value: str) -> frozenset[str]:
    roles = frozenset(part.strip() for part in value.split(","))
    if not roles <= set(ROLES):
        raise ValueError(f"must be roles: {', '.join(ROLES)}")
    return roles
