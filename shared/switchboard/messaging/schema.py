"""The tables of messaging, in the database of each service: outbox, inbox, leases and idempotency keys."""

from typing import Protocol

MESSAGING_TABLES = (
    """
    create table outbox (
        id bigint generated always as identity primary key,
        event_id uuid not null,
        exchange text not null,
        routing_key text not null,
        type text not null,
        subject text not null,
        body bytea not null,
        created_at timestamptz not null default clock_timestamp()
    ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)
    """,
    """
    create table inbox (
        subscription text not null,
        event_id uuid not null,
        handled_at timestamptz not null default clock_timestamp(),
        primary key (subscription, event_id)
    )
    """,
    "create index inbox_handled_at on inbox using brin (handled_at)",
    """
    create table leases (
        name text primary key,
        holder text not null,
        term bigint not null,
        acquired_at timestamptz not null,
        expires_at timestamptz not null
    )
    """,
    """
    create table idempotency_keys (
        tenant_id uuid not null,
        user_id uuid not null,
        route text not null,
        key text not null,
        body_hash bytea not null,
        status int not null,
        response bytea,
        created_at timestamptz not null default clock_timestamp(),
        primary key (tenant_id, user_id, route, key)
    )
    """,
    "create index idempotency_keys_created_at on idempotency_keys using brin (created_at)",
)


class Operations(Protocol):
    """The part of alembic's `op` that is used here."""

    def execute(self, sqltext: str) -> object: ...


def create_messaging_tables(op: Operations) -> None:
    """Create the tables, in a service's first migration."""
    for statement in MESSAGING_TABLES:
        op.execute(statement)
