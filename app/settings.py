"""The settings of the service: read from the environment and checked here, once, at start."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import setting_values as values
from app.access.operators import ROLES
from app.instance import InvalidSettings, beside_sqlite, create_folder, load_or_create_secret, prepare_sqlite
from app.setting_values import LANGUAGES

__all__ = ["LANGUAGES", "SETTINGS", "InvalidSettings", "Setting", "read_settings"]

_LOCALES, _ROLE_NAMES = (", ".join(f"`{name}`" for name in names) for names in (LANGUAGES, ROLES))


@dataclass(frozen=True)
class Setting:
    """One environment variable: its default as text, its meaning, and its parser, which raises ValueError."""

    name: str
    default: str
    help: str
    parse: Callable[[str], Any] = values.text


SETTINGS = (
    Setting(
        "DATABASE_URL",
        "",
        "`postgresql://…` for production; SQLite under `instance/` if empty",
        values.database_url,
    ),
    Setting(
        "DATABASE_READ_URL",
        "",
        "A replica of `DATABASE_URL` for lists, charts, the catalogue and exports of pages; none if empty",
        values.replica_url,
    ),
    Setting(
        "SECRET_KEY",
        "",
        "Signs sessions and cursors, at least 16 characters; generated once in `instance/` for the embedded database,"
        " else required",
        values.secret,
    ),
    Setting("SECRET_KEY_FALLBACKS", "", "Former secret keys, which are still accepted: `key, …`", values.secrets),
    Setting("PORT", "8000", "Port of the server", values.port),
    Setting("HOST", "127.0.0.1", "Address of the server"),
    Setting(
        "METRICS_BIND",
        "",
        "`host:port` for `/metrics` and the probes alone; on the same port if empty",
        values.address,
    ),
    Setting("WEB_CONCURRENCY", "", "Worker processes; one per core if empty", values.at_least(1)),
    Setting("MAX_CUSTOMERS_PER_REQUEST", "50000", "Limit of one request; more is 413", values.at_least(1)),
    Setting(
        "MAX_SEGMENTS_PER_CUSTOMER",
        "",
        "A change that gives a customer more is refused; an undo never is. None if empty",
        values.at_least(1),
    ),
    Setting("MAX_BODY_BYTES", "33554432", "Limit of a body after decompression; more is 413", values.at_least(1)),
    Setting(
        "MAX_CONCURRENT_LARGE_BODIES",
        "2",
        "Bodies over 1 MiB that each worker processes at the same time; others wait, then 503",
        values.at_least(1),
    ),
    Setting(
        "RATE_LIMIT",
        "",
        "Requests per token on each machine, such as `600 per minute`; none if empty",
        values.rate,
    ),
    Setting("TRUSTED_PROXIES", "0", "Number of proxies in front that set `X-Forwarded-*`", values.at_least(0)),
    Setting(
        "TRUSTED_HOSTS",
        "",
        "Host names of the service, `.example.com` with subdomains; any if empty",
        values.trusted_hosts,
    ),
    Setting("CORS_ORIGINS", "", "Origins whose pages may call the API: `https://shop.example.com, …`", values.origins),
    Setting(
        "WEBHOOK_ALLOWED_HOSTS",
        "",
        "Hosts that webhooks may call inside the network or over plain HTTP: `host:port, …`",
        values.hosts,
    ),
    Setting(
        "DEFAULT_LOCALE",
        "en",
        f"Language of pages if neither operator nor browser prefers one of {_LOCALES}",
        values.locale,
    ),
    Setting("TIME_ZONE", "UTC", "Time zone of pages until a browser tells its own", values.time_zone),
    Setting(
        "SECOND_FACTOR_ROLES",
        "",
        "Roles that need a second factor, such as `admin, editor`; none if empty",
        values.roles,
    ),
    Setting("OIDC_ISSUER", "", "Provider of single sign-on, such as `https://login.example.com`; off if empty"),
    Setting("OIDC_CLIENT_ID", "", "Client id at the provider"),
    Setting("OIDC_CLIENT_SECRET", "", "Client secret at the provider"),
    Setting("OIDC_ROLE_CLAIM", "", f"Claim with the role ({_ROLE_NAMES}); if empty, roles are set here"),
    Setting(
        "APPROVAL_ABOVE",
        "",
        "Bulk edits, imports and undo of more customers wait until another operator approves them; none if empty",
        values.at_least(1),
    ),
    Setting("AUDIT_RETENTION_DAYS", "400", "Days after which entries of the audit log are deleted", values.at_least(1)),
    Setting("HISTORY_RETENTION_DAYS", "0", "Days after which changes are deleted; never if 0", values.at_least(0)),
    Setting(
        "ERASURE_LOG",
        "",
        "File that records erasures, for restored backups; beside a SQLite database if empty, else none",
        Path,
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "Collector of OpenTelemetry traces, such as `http://localhost:4318`; none if empty",
        values.needs("opentelemetry", "http://localhost:4318"),
    ),
    Setting(
        "SENTRY_DSN",
        "",
        "Address at which Sentry receives errors; none if empty",
        values.needs("sentry_sdk", "https://key@sentry.example.com/1"),
    ),
    Setting(
        "LOG_URL",
        "",
        "Address of a request's log lines: request IDs on pages link to it, `{request_id}` filled",
        values.log_url,
    ),
    Setting("LOG_FORMAT", "text", "`text` or `json`", values.log_format),
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
