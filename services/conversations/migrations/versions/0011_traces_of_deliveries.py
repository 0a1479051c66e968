"""Keep the trace of the request that caused a delivery: what is sent, reported and pushed later belongs to it."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table deliveries add column traceparent text")
