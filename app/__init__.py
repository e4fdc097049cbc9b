"""Customer Segments: the segments of each customer of a retailer.

Three interfaces use one core (`app.core`): a JSON API (`app.api`), HTML pages (`app.pages`) and commands (`app.cli`).
"""

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from flask import Flask, current_app
from flask_bootstrap import Bootstrap5
from flask_migrate import Migrate

from app import api, cli, errors, pages
from app.access.idempotency import erase_from_responses
from app.access.saved_views import erase_from_views
from app.core import dialects, encryption
from app.core.changes.erasure_log import use_erasure_log
from app.core.changes.traces import use_erasers
from app.core.database import db, engine_options, replica_bind
from app.core.models.segment_limit import use_segment_limit
from app.jobs.customer_traces import erase_from_jobs
from app.pages import single_sign_on
from app.settings import read_settings
from app.web import (
    assets,
    cancellation,
    compression,
    cors,
    health,
    localization,
    logging,
    metrics,
    proxies,
    request_id,
    secret_keys,
    security_headers,
    session_cookie,
)
from app.web.admission import HeadersFirstFlask, protect_forms
from app.web.json_provider import OrjsonProvider
from app.web.template_whitespace import StripIndentEnvironment
from app.web.url_converters import CustomerIdConverter, DocumentIdConverter, NumberConverter, SegmentPartConverter

ROOT = Path(__file__).parent.parent


def create_app(environ: Mapping[str, str] = os.environ) -> Flask:
    """Return the application that `environ` configures. Raises app.settings.InvalidSettings."""
    app = HeadersFirstFlask(
        __name__,
        root_path=str(ROOT),
        instance_path=str(ROOT / "instance"),
        static_url_path=assets.STATIC_URL_PATH,
    )
    app.config.update(read_settings(environ, Path(app.instance_path)))
    app.config.update(
        MAX_CONTENT_LENGTH=app.config["MAX_BODY_BYTES"],
        SQLALCHEMY_DATABASE_URI=app.config["DATABASE_URL"],
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(app.config["DATABASE_URL"]),
        SQLALCHEMY_BINDS=replica_bind(app.config["DATABASE_READ_URL"]),
    )
    app.json = OrjsonProvider(app)
    app.jinja_environment = StripIndentEnvironment
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.url_map.merge_slashes = False  # a document_id may contain consecutive slashes
    app.url_map.converters |= {
        "document_id": DocumentIdConverter,
        "customer_id": CustomerIdConverter,
        "number": NumberConverter,
        "segment_part": SegmentPartConverter,
    }

    proxies.init_app(app)
    request_id.init_app(app)
    security_headers.init_app(app)
    logging.init_app(app)
    errors.init_app(app)
    db.init_app(app)
    errors.tolerate_failing_teardown(app)
    with app.app_context():
        for engine in db.engines.values():
            dialects.configure_engine(engine)
    encryption.use_secret_keys(secret_keys.secret_keys)
    use_erasure_log(lambda: current_app.config["ERASURE_LOG"])
    use_segment_limit(lambda: current_app.config["MAX_SEGMENTS_PER_CUSTOMER"])
    use_erasers((erase_from_responses, erase_from_jobs, erase_from_views))
    metrics.init_app(app)
    _init_telemetry(app)
    cancellation.init_app(app)
    Migrate(app, db, directory=str(ROOT / "app" / "migrations"), render_as_batch=True)
    Bootstrap5(app)
    assets.init_app(app)
    session_cookie.init_app(app)
    localization.init_app(app, locale=pages.locale.select_locale, time_zone=pages.locale.select_time_zone)
    compression.init_app(app)
    cors.init_app(app)
    api.init_app(app)
    for module in (pages, health, metrics):
        app.register_blueprint(module.blueprint)
    protect_forms(app, pages.blueprint.name)  # the API needs none: another site cannot make a browser send a token
    single_sign_on.init_app(app)
    cli.init_app(app, create_app)
    return app


def _init_telemetry(app: Flask) -> None:
    """Import what is configured: its packages are not among the requirements of the service."""
    if app.config["OTEL_EXPORTER_OTLP_ENDPOINT"]:
        import_module("app.web.tracing").init_app(app)
    if app.config["SENTRY_DSN"]:
        import_module("app.web.error_reports").init_app(app)
