"""Steps of an import as an operator takes them, and what the last job did."""

import io
import threading

from sqlalchemy import select, update

from app import background
from app.core.database import db, now
from app.core.models.customers import Customer
from app.jobs import runner
from app.jobs.jobs import Job
from tests.support.html_client import HtmlClient, HtmlPage

SPREADSHEET = "Cédula;Nombre;Correo;membership;Notas\n1;Ana Gómez;ana@x.co;GOLD;x\n2;Luis;;;y\n"
ROLES = ["document_id", "name", "email", "segment:membership", ""]


def run_job() -> bool:
    """Run the next job that is due; return whether there was one."""
    db.session.rollback()
    return background.work_on_jobs(threading.Event())


def run_jobs() -> int:
    """Run every job that is due; return how many steps there were."""
    steps = 0
    while run_job():
        steps += 1
    return steps


def upload(operator: HtmlClient, content: str | bytes, name: str = "spring.csv") -> str:
    """Upload a file and return the URL of its import."""
    data = content.encode() if isinstance(content, str) else content
    response = operator.client.post(
        "/imports",
        data={"csrf_token": operator.token, "file": (io.BytesIO(data), name)},
        content_type="multipart/form-data",
    )
    assert response.status_code == 302, response.text
    return response.headers["Location"]


def preview(operator: HtmlClient, url: str, roles: list[str] | None = None, *, create: bool = True) -> HtmlPage:
    """Have the preview computed and return its page."""
    form: list[tuple[str, str]] = [("action", "check"), *(("role", role) for role in roles or [])]
    operator.post(url, form + ([("create", "yes")] if create else []))
    assert run_job()
    return operator.get(url)


def apply(operator: HtmlClient, url: str) -> HtmlPage:
    operator.post(url, {"action": "apply"})
    assert run_job()
    return operator.get(url)


def last_preview() -> dict[str, int]:
    """Return the numbers of the last job's preview."""
    db.session.rollback()
    found = db.session.scalars(select(Job.preview).order_by(Job.id.desc()).limit(1)).one()
    assert found is not None
    return {name: value for name, value in found.items() if isinstance(value, int)}


def last_result() -> dict[str, int]:
    db.session.rollback()
    found = db.session.scalars(select(Job.result).order_by(Job.id.desc()).limit(1)).one()
    assert found is not None
    return found


def all_profiles() -> dict[str, tuple[str | None, ...]]:
    """Return `{document_id: (name, email, phone)}` of all customers."""
    db.session.rollback()
    return {row.document_id: (row.name, row.email, row.phone) for row in db.session.scalars(select(Customer))}


def expire_leases() -> None:
    """End every lease and retry delay, as if their time had passed."""
    db.session.rollback()
    db.session.execute(update(Job).values(leased_until=now() - runner.LEASE, not_before=None))
    db.session.commit()
