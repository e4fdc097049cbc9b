"""Customers: created and updated by document_id; their segments have an endpoint of their own."""

from flask import Response, jsonify

from app.api import blueprint
from app.api.auth import needs
from app.api.bodies import customers_body
from app.core.customers import save_customers
from app.core.database import in_transaction
from app.schemas import read_customers


@blueprint.post("/v3/customers")
@needs("customers:write")
def save() -> Response:
    """Create or update: contract §3. Facts that are not sent stay as they are."""
    rows = read_customers(customers_body())
    saved = in_transaction(lambda session: save_customers(session, rows))
    return jsonify(created=saved.created, updated=saved.updated, unchanged=saved.unchanged)
