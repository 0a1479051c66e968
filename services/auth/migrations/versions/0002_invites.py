"""Invitations."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        create table invites (
            id uuid primary key,
            tenant_id uuid not null references tenants (id) on delete cascade,
            user_id uuid not null references users (id) on delete cascade,
            token_hash bytea not null unique,
            expires_at timestamptz not null,
            accepted_at timestamptz
        )
        """
    )
    op.execute("create index invites_user_id on invites (user_id)")
