"""What is spent of a series' COUNT when a change makes it begin again, and the zone rules its next time was planned by.

A next time planned by an instance of the release before has no zone rules: it is planned again.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("alter table schedules add column count_spent integer not null default 0")
    op.execute("alter table schedules add column time_zone_rules text not null default ''")
    op.execute(
        "create index schedules_series on schedules (time_zone_rules) "
        "where recurrence is not null and next_at is not null"
    )


def downgrade() -> None:
    op.execute("drop index schedules_series")
    op.execute("alter table schedules drop column time_zone_rules")
    op.execute("alter table schedules drop column count_spent")
