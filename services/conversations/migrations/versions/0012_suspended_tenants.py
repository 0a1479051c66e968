"""Keep which tenants are suspended: nothing of theirs is sent."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table tenants add column suspended boolean not null default false")
