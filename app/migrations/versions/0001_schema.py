"""The first schema: customers, the record of their changes, counts, access, jobs and webhooks.

Nothing of the application but `app.migrations.first_schema` is imported here: a migration describes the schema of its
own time.
"""

import sqlalchemy as sa
from alembic import op

from app.migrations.first_schema.access import create_access
from app.migrations.first_schema.customers import create_changes, create_counts, create_customers
from app.migrations.first_schema.jobs import create_jobs, create_webhooks

revision = "0001"
down_revision = None

SEQUENCES = ("customers_id_seq", "part_positions")


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    if on_postgresql:
        for sequence in SEQUENCES:
            op.execute(sa.schema.CreateSequence(sa.Sequence(sequence)))
    create_customers(on_postgresql)
    create_changes()
    create_counts()
    create_access()
    create_jobs()
    create_webhooks()


def downgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    if not on_postgresql:
        op.drop_table("customer_terms")
    for table in (
        "webhook_deliveries",
        "upload_chunks",
        "token_requests",
        "rejected_rows",
        "skipped_customers",
        "job_batches",
        "operator_sessions",
        "idempotency_keys",
        "customer_search",
        "webhooks",
        "tokens",
        "segment_totals",
        "segment_deltas",
        "segment_counts",
        "customer_changes",
        "change_set_parts",
        "retention_horizon",
        "refused_requests",
        "operators",
        "jobs",
        "failed_sign_ins",
        "customers",
        "customer_totals",
        "change_sets",
    ):
        op.drop_table(table)
    if on_postgresql:
        for sequence in SEQUENCES:
            op.execute(sa.schema.DropSequence(sa.Sequence(sequence)))
