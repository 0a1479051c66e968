"""Keep inbound messages at the installation's own number that belong to no tenant's conversation, for the operator."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table unassigned_inbound (
        provider text not null,
        provider_ref text not null,
        sender text not null,
        recipient text not null,
        body text not null,
        at timestamptz not null default clock_timestamp(),
        primary key (provider, provider_ref)
    )
    """,
    "create index unassigned_inbound_at on unassigned_inbound (at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
