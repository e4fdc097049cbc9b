"""Jobs with their files, and webhooks."""

import sqlalchemy as sa
from alembic import op

from app.migrations.first_schema.types import BytewiseString, Id, Json, UtcDateTime


def create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("payload", Json, nullable=False),
        sa.Column("preview", Json),
        sa.Column("result", Json),
        sa.Column("error", sa.String),
        sa.Column("phase", sa.String),
        sa.Column("done", Id, nullable=False),
        sa.Column("total", Id),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", UtcDateTime),
        sa.Column("lease", sa.String),
        sa.Column("leased_until", UtcDateTime),
        sa.Column("batches_done", sa.Integer, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("change_set_id", Id),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job_batches",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("customers", sa.Integer, nullable=False),
        sa.Column("compressed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "skipped_customers",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("document_id", BytewiseString, primary_key=True),
        sa.Column("reason", sa.String, nullable=False),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "upload_chunks",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("compressed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "rejected_rows",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("line", Id, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("raw", Json, nullable=False),
    )


def create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", Id, primary_key=True),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("salt", sa.String, nullable=False),
        sa.Column("secret_digest", sa.String, nullable=False),
        sa.Column("previous_salt", sa.String),
        sa.Column("previous_until", UtcDateTime),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("paused_at", UtcDateTime),
        sa.Column("position", Id, nullable=False),
        sa.Column("lease", sa.String),
        sa.Column("leased_until", UtcDateTime),
        sa.Column("last_attempt_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", Id, primary_key=True),
        sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("change_set_id", Id, nullable=False),
        sa.Column("message_id", sa.String, nullable=False, unique=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", UtcDateTime, nullable=False),
        sa.Column("give_up_at", UtcDateTime, nullable=False),
        sa.Column("last_attempt_at", UtcDateTime),
        sa.Column("last_response", sa.String),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_deliveries_webhook_id_state", "webhook_deliveries", ["webhook_id", "state"])
