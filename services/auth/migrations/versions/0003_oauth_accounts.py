"""Accounts at OAuth providers that users sign in with."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        create table oauth_accounts (
            provider text not null,
            subject text not null,
            tenant_id uuid not null references tenants (id) on delete cascade,
            user_id uuid not null references users (id) on delete cascade,
            email text,
            linked_at timestamptz not null default clock_timestamp(),
            primary key (provider, subject)
        )
        """
    )
    op.execute("create index oauth_accounts_user_id on oauth_accounts (user_id)")
