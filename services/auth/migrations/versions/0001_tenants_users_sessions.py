"""Tenants, users, sessions, and marks for the cache."""

from alembic import op

from switchboard.messaging.schema import create_messaging_tables

revision = "0001"
down_revision = None

TABLES = (
    """
    create table tenants (
        id uuid primary key,
        name text not null,
        status text not null check (status in ('trial', 'active', 'expired')),
        trial_ends_at timestamptz,
        created_at timestamptz not null default clock_timestamp()
    )
    """,
    "create index tenants_trial_ends_at on tenants (trial_ends_at) where status = 'trial'",
    """
    create table users (
        id uuid primary key,
        tenant_id uuid not null references tenants (id) on delete cascade,
        email text not null,
        name text not null,
        role text not null check (role in ('owner', 'admin', 'agent')),
        password_hash text,
        disabled boolean not null default false,
        notify_phone text,
        time_zone text,
        version integer not null default 1,
        created_at timestamptz not null default clock_timestamp()
    )
    """,
    "create unique index users_email on users (lower(email))",
    "create index users_tenant_id on users (tenant_id, id)",
    """
    create table sessions (
        id uuid primary key,
        tenant_id uuid not null references tenants (id) on delete cascade,
        user_id uuid not null references users (id) on delete cascade,
        token_hash bytea not null unique,
        created_at timestamptz not null,
        last_seen_at timestamptz not null,
        expires_at timestamptz not null,
        address text,
        agent text,
        ended_at timestamptz
    )
    """,
    "create index sessions_user_id on sessions (user_id) where ended_at is null",
    "create index sessions_expires_at on sessions (expires_at)",
    """
    create table cache_marks (
        key text primary key,
        state text not null check (state in ('dead', 'stale')),
        made_at timestamptz not null default clock_timestamp()
    )
    """,
)


def upgrade() -> None:
    create_messaging_tables(op)
    for statement in TABLES:
        op.execute(statement)
