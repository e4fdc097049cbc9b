"""Old changes are deleted without a command: HISTORY_RETENTION_DAYS."""

from datetime import timedelta
from threading import Event

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.background import apply_retention
from app.core.database import db, now
from app.core.models.change_sets import ChangeSet
from tests.support.customers import GOLD, SILVER, set_segments
from tests.support.dates import date


@pytest.mark.parametrize(("days", "remaining"), [(0, 2), (30, 1)])
def test_changes_older_than_the_setting_are_deleted(
    app: Flask, ana: str, monkeypatch: pytest.MonkeyPatch, days: int, remaining: int
) -> None:
    set_segments(ana, GOLD)
    set_segments(ana, SILVER)
    date(1, now() - timedelta(days=31))
    monkeypatch.setitem(app.config, "HISTORY_RETENTION_DAYS", days)
    stop = Event()
    stop.set()
    apply_retention(stop)
    assert db.session.scalar(select(func.count()).select_from(ChangeSet)) == remaining
