"""The settings of the service: read from the environment and checked here, once, at start."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import limits
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.access.operators import ROLES
from app.instance import InvalidSettings, beside_sqlite, create_folder, load_or_create_secret, prepare_sqlite

__all__ = ["SETTINGS", "InvalidSettings", "Setting", "read_settings"]


MIN_SECRET_LENGTH = 16

LANGUAGES = {"en": "English", "es": "Español", "pt_BR": "Português"}
"""The languages of the pages, by locale, each under its own name."""

_LOCALES, _ROLE_NAMES = (", ".join(f"`{name}`" for name in names) for names in (LANGUAGES, ROLES))
_HOST_NAME = re.compile(r"\.?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def _text(value: str) -> str:
    return value


def _at_least(minimum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isdecimal() or int(value) < minimum:
            raise ValueError(f"must be a whole number, at least {minimum}")
        return int(value)

    return parse


def _port(value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise ValueError("must be a port, 1 to 65535")
    return int(value)


def _log_format(value: str) -> str:
    if value not in ("text", "json"):
        raise ValueError("must be text or json")
    return value


def _database_url(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("must be a database URL such as postgresql://user:password@host/name") from None
    if url.get_backend_name() == "sqlite":
        return value
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return _normalize_database_url(url.set(drivername="postgresql+psycopg"))
    raise ValueError("must begin with postgresql:// or sqlite:///")


def _replica_url(value: str) -> str:
    url = _database_url(value)
    if make_url(url).get_backend_name() == "sqlite":
        raise ValueError("must begin with postgresql://")
    return url


def _normalize_database_url(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _rate(value: str) -> str:
    try:
        (_,) = limits.parse_many(value)
    except ValueError:
        raise ValueError("must be a rate such as 600 per minute") from None
    return value


def _hosts(value: str) -> frozenset[tuple[str, int]]:
    hosts = set()
    for part in value.split(","):
        host, _, port = part.strip().lower().rpartition(":")
        if not host.strip("[]") or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError("must be hosts with their ports, such as hooks.internal:8080, 10.0.0.7:443")
        hosts.add((host.strip("[]"), int(port)))
    return frozenset(hosts)


def _address(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("must be an address such as 127.0.0.1:9100")
    return host, int(port)


def _log_url(value: str) -> str:
    if not value.startswith(("https://", "http://")) or "{request_id}" not in value:
        raise ValueError("must be an address such as https://logs.example.com/?query={request_id}")
    return value


def _trusted_hosts(value: str) -> list[str]:
    hosts = [part.strip().lower() for part in value.split(",")]
    if not all(_HOST_NAME.fullmatch(host) for host in hosts):
        raise ValueError("must be host names such as segments.example.com, .internal.example.com")
    return hosts


def _origins(value: str) -> frozenset[str]:
    origins = frozenset(part.strip().lower() for part in value.split(","))
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be origins such as https://shop.example.com")
    return origins


def _secret(value: str) -> str:
    if len(value) < MIN_SECRET_LENGTH:
        raise ValueError(f"must have at least {MIN_SECRET_LENGTH} characters: use a long random text")
    return value


def _secrets(value: str) -> list[str]:
    return [_secret(part.strip()) for part in value.split(",")]


def _locale(value: str) -> str:
    if value not in LANGUAGES:
        raise ValueError(f"must be one of {', '.join(LANGUAGES)}")
    return value


def _time_zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as America/Bogota or UTC") from None


def _roles(value: str) -> frozenset[str]:
    roles = frozenset(part.strip() for part in value.split(","))
    if not roles <= set(ROLES):
        raise ValueError(f"must be roles: {', '.join(ROLES)}")
    return roles


@dataclass(frozen=True)
class Setting:
    """One environment variable: its default as text, its meaning, and its parser, which raises ValueError."""

    name: str
    default: str
    help: str
    parse: Callable[[str], Any] = _text


SETTINGS = (
    Setting("DATABASE_URL", "", "`postgresql://…` for production; SQLite under `instance/` if empty", _database_url),
    Setting(
        "DATABASE_READ_URL",
        "",
        "A replica of `DATABASE_URL` for lists, charts, the catalogue and exports of pages; none if empty",
        _replica_url,
    ),
    Setting(
        "SECRET_KEY",
        "",
        "Signs sessions and cursors, at least 16 characters; generated once in `instance/` for the embedded database,"
        " else required",
        _secret,
    ),
    Setting("SECRET_KEY_FALLBACKS", "", "Former secret keys, which are still accepted: `key, …`", _secrets),
    Setting("PORT", "8000", "Port of the server", _port),
    Setting("HOST", "127.0.0.1", "Address of the server"),
    Setting("METRICS_BIND", "", "`host:port` for `/metrics` and the probes alone; on the same port if empty", _address),
    Setting("WEB_CONCURRENCY", "", "Worker processes; one per core if empty", _at_least(1)),
    Setting("MAX_CUSTOMERS_PER_REQUEST", "50000", "Limit of one request; more is 413", _at_least(1)),
    Setting(
        "MAX_SEGMENTS_PER_CUSTOMER",
        "",
        "A change that gives a customer more is refused; an undo never is. None if empty",
        _at_least(1),
    ),
    Setting("MAX_BODY_BYTES", "33554432", "Limit of a body after decompression; more is 413", _at_least(1)),
    Setting(
        "MAX_CONCURRENT_LARGE_BODIES",
        "2",
        "Bodies over 1 MiB that each worker processes at the same time; others wait, then 503",
        _at_least(1),
    ),
    Setting("RATE_LIMIT", "", "Requests per token on each machine, such as `600 per minute`; none if empty", _rate),
    Setting("TRUSTED_PROXIES", "0", "Number of proxies in front that set `X-Forwarded-*`", _at_least(0)),
    Setting(
        "TRUSTED_HOSTS", "", "Host names of the service, `.example.com` with subdomains; any if empty", _trusted_hosts
    ),
    Setting("CORS_ORIGINS", "", "Origins whose pages may call the API: `https://shop.example.com, …`", _origins),
    Setting(
        "WEBHOOK_ALLOWED_HOSTS",
        "",
        "Hosts that webhooks may call inside the network or over plain HTTP: `host:port, …`",
        _hosts,
    ),
    Setting(
        "DEFAULT_LOCALE",
        "en",
        f"Language of pages if neither operator nor browser prefers one of {_LOCALES}",
        _locale,
    ),
    Setting("TIME_ZONE", "UTC", "Time zone of pages until a browser tells its own", _time_zone),
    Setting(
        "SECOND_FACTOR_ROLES", "", "Roles that need a second factor, such as `admin, editor`; none if empty", _roles
    ),
    Setting("OIDC_ISSUER", "", "Provider of single sign-on, such as `https://login.example.com`; off if empty"),
    Setting("OIDC_CLIENT_ID", "", "Client id at the provider"),
    Setting("OIDC_CLIENT_SECRET", "", "Client secret at the provider"),
    Setting("OIDC_ROLE_CLAIM", "", f"Claim with the role ({_ROLE_NAMES}); if empty, roles are set here"),
    Setting(
        "APPROVAL_ABOVE",
        "",
        "Bulk edits, imports and undo of more customers wait until another operator approves them; none if empty",
        _at_least(1),
    ),
    Setting("AUDIT_RETENTION_DAYS", "400", "Days after which entries of the audit log are deleted", _at_least(1)),
    Setting("HISTORY_RETENTION_DAYS", "0", "Days after which changes are deleted; never if 0", _at_least(0)),
    Setting(
        "ERASURE_LOG",
        "",
        "File that records erasures, for restored backups; beside a SQLite database if empty, else none",
        Path,
    ),
    Setting(
        "LOG_URL",
        "",
        "Address of a request's log lines: request IDs on pages link to it, `{request_id}` filled",
        _log_url,
    ),
    Setting("LOG_FORMAT", "text", "`text` or `json`", _log_format),
    Setting("ENVIRONMENT_NAME", "", "A badge on every page, such as `staging` or `production`"),
)


def read_settings(environ: Mapping[str, str], instance: Path) -> dict[str, Any]:
    """Return the settings by name, with defaults. `instance` holds the embedded database and its secret key.

    Raises InvalidSettings, which names every invalid variable.
    """
    settings: dict[str, Any] = {}
    errors = []
    for setting in SETTINGS:
        value = environ.get(setting.name, "").strip() or setting.default
        try:
            settings[setting.name] = setting.parse(value) if value else None
        except ValueError as error:
            errors.append(f"{setting.name} {error}.")
    embedded = not environ.get("DATABASE_URL", "").strip()
    if not (embedded or environ.get("SECRET_KEY", "").strip()):
        errors.append("SECRET_KEY is required with a DATABASE_URL: set it to a long random text and keep it.")
    if settings.get("DATABASE_READ_URL") and "postgresql" not in (settings.get("DATABASE_URL") or ""):
        errors.append("DATABASE_READ_URL needs a DATABASE_URL of PostgreSQL, whose replica it is.")
    if settings["OIDC_ISSUER"] and not (settings["OIDC_CLIENT_ID"] and settings["OIDC_CLIENT_SECRET"]):
        errors.append("OIDC_CLIENT_ID and OIDC_CLIENT_SECRET are required with an OIDC_ISSUER.")
    if settings.get("METRICS_BIND") and settings["METRICS_BIND"][1] == settings.get("PORT"):
        errors.append("METRICS_BIND must have another port than PORT.")
    if errors:
        raise InvalidSettings(" ".join(errors))
    if embedded:
        create_folder(instance)
        settings["DATABASE_URL"] = f"sqlite:///{instance / 'customer-segments.db'}"
        settings["SECRET_KEY"] = settings["SECRET_KEY"] or load_or_create_secret(instance / "secret_key")
    prepare_sqlite(settings["DATABASE_URL"])
    settings["ERASURE_LOG"] = settings["ERASURE_LOG"] or beside_sqlite(settings["DATABASE_URL"], ".erasures")
    settings["EMBEDDED"] = embedded
    settings["WEB_CONCURRENCY"] = settings["WEB_CONCURRENCY"] or os.cpu_count() or 1
    return settings
