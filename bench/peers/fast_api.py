"""FastAPI with pydantic models and SQLAlchemy's bulk update by primary key.

With HISTORY=1, a trigger writes the old and new segments of each changed customer into an audit table.
"""

import hashlib
import os
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import create_engine, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

AUDIT = """
CREATE TABLE IF NOT EXISTS customer_audit (
  id bigserial PRIMARY KEY, document_id text, before jsonb, after jsonb, at timestamptz DEFAULT now()
);
CREATE OR REPLACE FUNCTION audit_customers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO customer_audit (document_id, before, after) VALUES (new.document_id, old.segments, new.segments);
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER audit_customers AFTER UPDATE ON customers
FOR EACH ROW WHEN (old.segments IS DISTINCT FROM new.segments) EXECUTE FUNCTION audit_customers();
ALTER TABLE customers ENABLE REPLICA TRIGGER audit_customers;
"""
"""The trigger fires only in sessions of this peer, since the others update the same table."""

HISTORY = os.environ.get("HISTORY") == "1"
options = {"options": "-c session_replication_role=replica"} if HISTORY else {}
engine = create_engine(os.environ["DATABASE_URL"], connect_args=options)
make_session = sessionmaker(engine)
if HISTORY:
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(1)"))  # one worker at a time
        connection.exec_driver_sql(AUDIT)


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"

    document_id: Mapped[str] = mapped_column(primary_key=True)
    segments: Mapped[list[dict[str, str]]] = mapped_column(JSONB)


class Token(Base):
    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str]


class Segment(BaseModel):
    type: str
    value: str


class CustomerSegments(BaseModel):
    document_id: str
    segments: list[Segment] | None


class Body(BaseModel):
    customers: Annotated[list[CustomerSegments], Field(min_length=1)]


class Response(BaseModel):
    updatedCustomers: list[str]  # noqa: N815 - the endpoint's name for it


def get_session():
    with make_session() as session:
        yield session


Database = Annotated[Session, Depends(get_session)]


def check_token(session: Database, authorization: Annotated[str, Header()] = "") -> None:
    digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    if session.scalar(select(Token).where(Token.digest == digest)) is None:
        raise HTTPException(401)


app = FastAPI()


@app.post("/api/v3/customers/segments", dependencies=[Depends(check_token)])
def replace_segments(body: Body, session: Database) -> Response:
    new_segments = {}
    for row in body.customers:
        new_segments.setdefault(row.document_id, [segment.model_dump() for segment in row.segments or []])
    found = set(session.scalars(select(Customer.document_id).where(Customer.document_id.in_(list(new_segments)))))
    rows = [{"document_id": id_, "segments": segments} for id_, segments in new_segments.items() if id_ in found]
    if rows:
        session.execute(update(Customer), rows)
    session.commit()
    return Response(updatedCustomers=[row["document_id"] for row in rows])
