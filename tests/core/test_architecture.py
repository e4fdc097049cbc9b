"""docs/architecture.md names every table."""

from app.core.database import db
from bench.servers.gunicorn import ROOT


def test_every_table_is_described() -> None:
    described = (ROOT / "docs" / "architecture.md").read_text()
    assert [table for table in sorted(db.metadata.tables) if f"`{table}`" not in described] == []
