"""Uploads and rejected rows are deleted without anybody uploading anything."""

from datetime import timedelta
from threading import Event

from sqlalchemy import func, select, update

from app.background import apply_retention
from app.core.database import db, now
from app.jobs.jobs import Job
from app.jobs.uploads import RETENTION, RejectedRow
from tests.support.html_client import HtmlClient
from tests.support.imports import preview, upload


def test_rejected_rows_go_by_themselves(editor: HtmlClient) -> None:
    url = upload(editor, "document_id,name\n1,Ana\n,Luis\n")
    preview(editor, url, ["document_id", "name"])
    count = select(func.count()).select_from(RejectedRow)
    assert db.session.scalar(count) == 1
    db.session.execute(update(Job).values(created_at=now() - RETENTION - timedelta(days=1)))
    db.session.commit()
    stop = Event()
    stop.set()
    apply_retention(stop)
    assert db.session.scalar(count) == 0
