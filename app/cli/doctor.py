"""flask doctor: check what goes wrong in practice."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click
from flask import current_app
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from app.access.operators import Operator
from app.cli.terminal import reports_errors
from app.core.database import db
from app.core.dialects.diagnostics import ServerFacts, replica_facts, server_facts
from app.core.replicas import ReplicaErrors, replica, short_timeout_engine
from app.web.health import is_migrated

MIN_FREE_BYTES = 1024**3
MAX_CLOCK_DIFFERENCE_S = 5
MAX_REPLICA_LAG_S = 30


class Finding(NamedTuple):
    """The result of one check; without a remedy all is well."""

    check: str
    result: str
    remedy: str = ""
    is_error: bool = True


@click.command("doctor")
@reports_errors
def doctor() -> None:
    """Check the database, clocks, disks, permissions and settings. The exit code is 1 if something is wrong."""
    findings = list(_findings())
    for finding in findings:
        mark = "ok" if not finding.remedy else "error" if finding.is_error else "note"
        click.echo(f"{mark:5} {finding.check}: {finding.result}")
        if finding.remedy:
            click.echo(f"      {finding.remedy}")
    if any(finding.remedy and finding.is_error for finding in findings):
        raise SystemExit(1)


def _findings() -> Iterator[Finding]:
    yield from _database()
    yield from _disks()
    yield from _permissions()
    yield from _settings()


def _database() -> Iterator[Finding]:
    try:
        with db.engine.connect() as connection:
            facts = server_facts(connection)
    except SQLAlchemyError as error:
        yield Finding("database", type(error).__name__, "Start the database, or correct DATABASE_URL.")
        return
    yield from _server(facts)
    yield from _replica()
    yield _check("schema", is_migrated(), "newest", "older or missing", "Run: flask db upgrade")
    if "operators" in inspect(db.engine).get_table_names():
        admin = db.session.query(Operator.id).filter_by(role="admin").first() is not None
        remedy = "" if admin else "Run: flask operators create EMAIL --role admin"
        yield Finding("admin", "present" if admin else "none", remedy, is_error=False)


def _replica() -> Iterator[Finding]:
    engine = replica()
    if engine is None:
        return
    try:
        with db.engine.connect() as primary, short_timeout_engine(engine).connect() as connection:
            facts = replica_facts(primary, connection)
    except ReplicaErrors as error:
        yield Finding("replica", type(error).__name__, "Start the replica, or correct DATABASE_READ_URL.")
        return
    remedy = "Let DATABASE_READ_URL name a replica of the server and database of DATABASE_URL."
    yield _check("replica", facts.same_cluster, "of the same database", "of another database", remedy)
    remedy = "" if facts.is_replica else "Let DATABASE_READ_URL name the replica, or remove it."
    yield Finding("replica in recovery", "yes" if facts.is_replica else "no: a primary", remedy, is_error=False)
    late = facts.lag_seconds > MAX_REPLICA_LAG_S
    remedy = "Look at pg_stat_replication on the primary, and at the log of the replica." if late else ""
    lag = f"{facts.lag_seconds:.1f} s, {facts.lag_bytes} bytes behind"
    yield Finding("replica lag", lag, remedy, is_error=False)


def _server(facts: ServerFacts) -> Iterator[Finding]:
    yield Finding("database", facts.version)
    utf8 = facts.encoding == "UTF8"
    yield _check("encoding", utf8, facts.encoding, facts.encoding, "Create the database with ENCODING 'UTF8'.")
    yield Finding("collation", facts.collation)
    yield _check("writable", not facts.read_only, "yes", "no", "Connect to the primary server.")
    yield Finding("pooler", "none" if facts.direct else "in between, so that no statements are prepared")
    seconds = abs((datetime.now(UTC) - facts.time).total_seconds())
    result = f"{seconds:.1f} s apart"
    yield _check("clocks", seconds <= MAX_CLOCK_DIFFERENCE_S, result, result, "Synchronise the clocks by NTP.")


def _check(check: str, good: bool, if_good: str, otherwise: str, remedy: str) -> Finding:
    return Finding(check, if_good) if good else Finding(check, otherwise, remedy)


def _disks() -> Iterator[Finding]:
    folders = {"temporary folder": Path(tempfile.gettempdir())}
    if db.engine.url.get_backend_name() == "sqlite":
        folders["folder of the database"] = Path(str(db.engine.url.database)).parent
    for name, folder in folders.items():
        free = shutil.disk_usage(folder).free
        remedy = "" if free >= MIN_FREE_BYTES else "Free some space: uploads and imports need it."
        yield Finding(f"{name} {folder}", f"{free / 1024**3:.1f} GiB free", remedy)
        writable = os.access(folder, os.W_OK)
        if not writable:
            yield Finding(f"{name} {folder}", "not writable", "Change the owner of the folder.")


def _permissions() -> Iterator[Finding]:
    files = [Path(current_app.instance_path) / name for name in ("secret_key", "first-steps.json")]
    if db.engine.url.get_backend_name() == "sqlite":
        files.append(Path(str(db.engine.url.database)))
    for file in files:
        if file.exists():
            mode = file.stat().st_mode & 0o777
            yield Finding(f"{file}", f"{mode:03o}", f"Run: chmod 600 {file}" if mode & 0o077 else "")


def _settings() -> Iterator[Finding]:
    config = current_app.config
    public = config["HOST"] not in ("127.0.0.1", "::1", "localhost")
    if public or config["TRUSTED_PROXIES"]:
        remedy = (
            ""
            if config["TRUSTED_HOSTS"]
            else "Set TRUSTED_HOSTS: links in invitations contain the name of the request."
        )
        yield Finding("TRUSTED_HOSTS", ", ".join(config["TRUSTED_HOSTS"] or ("any",)), remedy, is_error=False)
    if public and not config["TRUSTED_PROXIES"]:
        remedy = "Put a proxy with TLS in front: see docs/deployment.md."
        yield Finding("TLS", "none", remedy, is_error=False)
