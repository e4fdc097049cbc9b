"""A customer to erase, and what must be left of them: nothing."""

import json
from typing import Any

from sqlalchemy import inspect

from app.core.database import db
from tests.support.clients import Api

PERSON = {
    "document_id": "erase-me-77",
    "name": "Perpetua Quux",
    "email": "perpetua@quux.example",
    "phone": "+5712349876",
}
TRACES = ("erase-me", "perpetua", "Perpetua", "PERPETUA", "quux", "12349876", "new-id-78")


def erase(api: Api, document_id: str, **kwargs: Any) -> Any:
    return api.call("DELETE", f"/api/v3/customers/{document_id}", **kwargs)


def stored_text() -> str:
    """Return every value of every table as text."""
    db.session.remove()
    texts = []
    with db.engine.connect() as connection:
        for table in inspect(db.engine).get_table_names():
            rows = connection.exec_driver_sql(f'SELECT * FROM "{table}"').all()
            texts.append(json.dumps([list(map(str, row)) for row in rows], ensure_ascii=False))
    return "\n".join(texts)


CSV = '\ufeffID;Name;Mail\r\nother;Other;\r\nerase-me-77;Perpetua\r\n;Perpetua Quux;\r\nthird;"Ä\nb";\r\n'
