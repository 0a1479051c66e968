"""What is held is found without reading all schedules."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("create index schedules_held on schedules (planned_at) where held")


def downgrade() -> None:
    op.execute("drop index schedules_held")
