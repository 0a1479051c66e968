"""Remember at which of a tenant's channels a contact wrote last, to answer from there."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table contact_channels (
        tenant_id uuid not null,
        contact_phone text not null,
        provider text not null,
        number text not null,
        primary key (tenant_id, contact_phone)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
