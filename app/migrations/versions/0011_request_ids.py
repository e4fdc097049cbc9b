"""The ids of the requests that created jobs and that tokens made, as in the logs."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = ("jobs", "token_requests")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("request_id", sa.String()))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "request_id")
