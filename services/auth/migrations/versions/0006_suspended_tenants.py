"""Let the operator suspend a tenant."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table tenants add column suspended boolean not null default false")
