"""Every column that can hold text has a decision on what an erasure does with it: contract §8."""

from flask import Flask
from sqlalchemy import BigInteger, Boolean, Date, DateTime, Integer

from app.core.database import db
from app.core.models.customers import PROFILE_FIELD_NAMES

ERASED = {
    "customers": f"document_id {' '.join(PROFILE_FIELD_NAMES)} segments previous_segments",
    "customer_search": "document_id email name terms",
    "customer_changes": "kind document_id before after",
    "idempotency_keys": "response",
    "skipped_customers": "document_id reason",
    "rejected_rows": "error raw",
    "saved_views": "name query",
    "job_batches": "first_id last_id compressed",
    "jobs": "payload preview",
    "upload_chunks": "compressed",
}
"""Erased with the customer: rows of the customer, or their ids in the lists of a stored response."""

NOT_ERASED = {
    "jobs": "result error",
    "change_sets": "note",
    "hourly_refusals": "token code",
    "refused_requests": "token code",
}
"""Not erased yet, or free text of operators and clients, in which no customer is to be named."""

NO_CUSTOMER_DATA = {
    "audit_events": "event actor source address target before after",
    "change_sets": "state actor source",
    "hourly_deltas": "actor type value",
    "idempotency_keys": "key request_digest",
    "jobs": "kind state created_by actor decided_by source phase lease request_id",
    "missed_nights": "actor",
    "operator_sessions": "digest browser address method previous_digest",
    "operators": "email role password_hash invitation_digest oidc_subject locale",
    "passkeys": "credential_id public_key name",
    "recovery_codes": "digest",
    "raised_alerts": "type value condition",
    "segment_alerts": "type value condition",
    "segment_counts": "actor type value",
    "segment_deltas": "type value",
    "segment_rules": "type description policy allowed_values",
    "segment_totals": "type value",
    "sign_in_failures": "bucket email",
    "token_requests": "method route code paths guard request_id",
    "tokens": "name digest scopes networks types previous_digest",
    "totp_secrets": "encrypted_secret",
    "webhook_deliveries": "message message_id state last_response",
    "webhooks": "url salt secret_digest previous_salt types events lease",
}
"""About operators, tokens, segments and webhooks; a request is logged by its route, a delivery without its body."""

NO_TEXT = (BigInteger, Boolean, Date, DateTime, Integer)


def test_every_column_has_a_decision_on_erasure(app: Flask) -> None:
    decided = [
        (table, column)
        for decision in (ERASED, NOT_ERASED, NO_CUSTOMER_DATA)
        for table, columns in decision.items()
        for column in columns.split()
    ]
    assert len(decided) == len(set(decided))
    stored = {
        (table.name, column.name)
        for table in db.metadata.tables.values()
        for column in table.columns
        if not isinstance(getattr(column.type, "impl_instance", column.type), NO_TEXT)
    }
    assert stored - set(decided) == set()
    assert set(decided) - stored == set()
