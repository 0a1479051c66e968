"""Schedules of every kind, what we know of tenants and users, and the tables of messaging."""

from alembic import op

from switchboard.messaging.schema import create_messaging_tables

revision = "0001"
down_revision = None

SCHEDULES = """
create table schedules (
    id uuid primary key,
    kind text not null,
    tenant_id uuid,                 -- null: the product's own
    user_id uuid,
    status text not null,           -- the kind's own word
    next_at timestamptz,            -- next occurrence of the plan
    extra_at timestamptz,           -- one occurrence beside the plan
    held boolean not null default false,
    due_at timestamptz
        generated always as (case when held then null else least(next_at, extra_at) end) stored,
    planned_at timestamptz not null,
    revision bigint not null default 1,
    recurrence text,
    time_zone text,
    starts_at timestamp,            -- local time of the first occurrence in time_zone
    misfire text not null default 'fire_late' check (misfire in ('fire_late', 'skip')),
    grace interval not null default '1 minute',
    payload jsonb not null default '{}',
    late boolean not null default false,
    fired_at timestamptz,
    trouble text,                   -- why it is held, when that was not an operator's wish
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    check ((recurrence is null) = (starts_at is null)),
    check (recurrence is null or time_zone is not null)
)
"""

# The leader reads the front of it: rows far in the future, and finished ones, cost it nothing.
DUE = "create index schedules_due on schedules (due_at) where due_at is not null"
OWNED = "create index schedules_owned on schedules (tenant_id, kind, user_id, planned_at, id)"

TENANTS = """
create table tenants (
    id uuid primary key,
    name text not null,
    status text not null,
    trial_ends_at timestamptz,
    as_of timestamptz not null      -- time of the event that says so
)
"""
USERS = """
create table users (
    id uuid primary key,
    tenant_id uuid not null,
    name text not null,
    role text not null,
    disabled boolean not null,
    notify_phone text,
    time_zone text,
    as_of timestamptz not null
)
"""


def upgrade() -> None:
    create_messaging_tables(op)
    for statement in (SCHEDULES, DUE, OWNED, TENANTS, USERS):
        op.execute(statement)


def downgrade() -> None:
    for table in ("users", "tenants", "schedules", "idempotency_keys", "leases", "inbox", "outbox"):
        op.execute(f"drop table {table}")
