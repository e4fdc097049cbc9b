"""The service with one more URL: /fail fails, with data of a customer in the message."""

from app.core.database import db
from wsgi import app


@app.get("/api/fail/<document_id>")
def fail(document_id: str) -> str:
    raise RuntimeError(f"no such customer: {document_id} {db.engine.url}")
