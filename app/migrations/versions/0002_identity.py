"""Identity: delays after failed sign-ins, second factors, passkeys, single sign-on, and the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
UtcDateTime = sa.DateTime(timezone=True)

# The audit log is append-only: the database refuses to update an entry.
REFUSE_UPDATE_SQLITE = """CREATE TRIGGER audit_events_append_only BEFORE UPDATE ON audit_events BEGIN
    SELECT RAISE(ABORT, 'audit_events is append-only');
END"""
REFUSE_UPDATE_POSTGRESQL = (
    """CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'audit_events is append-only';
    END $$""",
    """CREATE TRIGGER audit_events_append_only BEFORE UPDATE ON audit_events
       FOR EACH ROW EXECUTE FUNCTION audit_events_append_only()""",
)


def upgrade() -> None:
    op.drop_table("failed_sign_ins")
    op.create_table(
        "sign_in_failures",
        sa.Column("bucket", sa.String, primary_key=True),
        sa.Column("email", sa.String),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_sign_in_failures_email", "sign_in_failures", ["email"])
    with op.batch_alter_table("operators") as operators:
        operators.add_column(sa.Column("oidc_subject", sa.String))
        operators.create_unique_constraint("uq_operators_oidc_subject", ["oidc_subject"])
    with op.batch_alter_table("operator_sessions") as sessions:
        sessions.add_column(sa.Column("address", sa.String))
        sessions.add_column(sa.Column("method", sa.String, nullable=False, server_default="password"))
        sessions.add_column(sa.Column("pending", sa.Boolean, nullable=False, server_default=sa.false()))
        sessions.add_column(sa.Column("renewal_due", sa.Boolean, nullable=False, server_default=sa.false()))
        sessions.add_column(sa.Column("previous_digest", sa.String))
        sessions.add_column(sa.Column("previous_until", UtcDateTime))
        sessions.create_unique_constraint("uq_operator_sessions_previous_digest", ["previous_digest"])
    op.create_table(
        "totp_secrets",
        sa.Column("operator_id", Id, sa.ForeignKey("operators.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("encrypted_secret", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("confirmed_at", UtcDateTime),
        sa.Column("last_step", Id, nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", Id, primary_key=True),
        sa.Column("operator_id", Id, sa.ForeignKey("operators.id", ondelete="CASCADE"), nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("used_at", UtcDateTime),
    )
    op.create_index("ix_recovery_codes_operator_id", "recovery_codes", ["operator_id"])
    op.create_table(
        "passkeys",
        sa.Column("id", Id, primary_key=True),
        sa.Column("operator_id", Id, sa.ForeignKey("operators.id", ondelete="CASCADE"), nullable=False),
        sa.Column("credential_id", sa.String, nullable=False, unique=True),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", Id, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime),
    )
    op.create_index("ix_passkeys_operator_id", "passkeys", ["operator_id"])
    op.create_table(
        "audit_events",
        sa.Column("id", Id, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("address", sa.String),
        sa.Column("target", sa.String),
        sa.Column("before", Json),
        sa.Column("after", Json),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_events_at", "audit_events", ["at"])
    if op.get_context().dialect.name == "postgresql":
        for statement in REFUSE_UPDATE_POSTGRESQL:
            op.execute(statement)
    else:
        op.execute(REFUSE_UPDATE_SQLITE)


def downgrade() -> None:
    op.drop_table("audit_events")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_events_append_only()")
    for table in ("passkeys", "recovery_codes", "totp_secrets"):
        op.drop_table(table)
    with op.batch_alter_table("operator_sessions") as sessions:
        sessions.drop_constraint("uq_operator_sessions_previous_digest", type_="unique")
        for column in ("previous_until", "previous_digest", "renewal_due", "pending", "method", "address"):
            sessions.drop_column(column)
    with op.batch_alter_table("operators") as operators:
        operators.drop_constraint("uq_operators_oidc_subject", type_="unique")
        operators.drop_column("oidc_subject")
    op.drop_table("sign_in_failures")
    op.create_table(
        "failed_sign_ins",
        sa.Column("email", sa.String, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
    )
