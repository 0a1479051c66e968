"""When its user last wrote in a conversation: an inbound message goes to whoever wrote last."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    "alter table conversations add column wrote_at timestamptz",
    """
    update conversations c set wrote_at = (
        select created_at from messages m where m.conversation_id = c.id and m.direction = 'out'
        order by seq desc limit 1)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
