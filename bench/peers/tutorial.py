"""Flask-SQLAlchemy as its tutorial teaches it: load each customer, change them, commit.

With HISTORY=1, SQLAlchemy-Continuum versions the customers, with the strategy that its documentation recommends for
fast writes.
"""

import hashlib
import os

from flask import Flask, abort, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column
from sqlalchemy_continuum import make_versioned

HISTORY = os.environ.get("HISTORY") == "1"
if HISTORY:
    make_versioned(user_cls=None, options={"strategy": "subquery"})


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Customer(db.Model):
    __tablename__ = "customers"
    if HISTORY:
        __versioned__ = {}

    document_id: Mapped[str] = mapped_column(primary_key=True)
    segments: Mapped[list[dict[str, str]]] = mapped_column(JSONB)


class Token(db.Model):
    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str]


class SegmentSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    type = fields.Str(required=True)
    value = fields.Str(required=True)


class CustomerSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    document_id = fields.Str(required=True)
    segments = fields.List(fields.Nested(SegmentSchema), required=True, allow_none=True)


class BodySchema(Schema):
    class Meta:
        unknown = EXCLUDE

    customers = fields.List(fields.Nested(CustomerSchema), required=True, validate=validate.Length(min=1))


app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
db.init_app(app)
if HISTORY:
    configure_mappers()
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(1)"))  # one worker at a time
        db.metadata.create_all(connection)


@app.post("/api/v3/customers/segments")
def replace_segments():
    secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
    digest = hashlib.sha256(secret.encode()).hexdigest()
    if db.session.execute(db.select(Token).filter_by(digest=digest)).scalar_one_or_none() is None:
        abort(401)
    try:
        body = BodySchema().load(request.get_json())
    except ValidationError as error:
        return jsonify(error.messages), 400
    updated = {}
    for row in body["customers"]:
        if row["document_id"] in updated:
            continue
        customer = db.session.get(Customer, row["document_id"])
        if customer is not None:
            customer.segments = row["segments"] or []
            updated[customer.document_id] = customer
    db.session.commit()
    return jsonify(updatedCustomers=list(updated))
