"""The ledger of what is sent, campaign runs, calls, channels, and what the sandbox provider "sent"."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    # As in domain/statuses.py: what is higher is news about what is lower.
    """
    create function status_rank(status text) returns int immutable strict parallel safe language sql as $$
        select case status
            when 'received' then 0 when 'pending' then 0 when 'queued' then 0 when 'sending' then 1
            when 'uncertain' then 2 when 'sent' then 3 when 'skipped' then 4 when 'failed' then 4
            when 'delivered' then 5 when 'read' then 6 end
    $$
    """,
    # RFC 9562, version 7: milliseconds, then chance.
    """
    create function uuid7() returns uuid volatile parallel safe language sql as $$
        select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
            substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
            52, 1), 53, 1), 'hex')::uuid
    $$
    """,
    """
    create table channels (
        id uuid primary key,
        tenant_id uuid not null,
        provider text not null,
        number text not null,
        credentials jsonb not null,
        endpoint_key text not null unique,
        is_default boolean not null default false,
        created_at timestamptz not null default clock_timestamp(),
        updated_at timestamptz not null default clock_timestamp(),
        unique (tenant_id, provider, number)
    )
    """,
    """
    create table campaign_runs (
        id uuid primary key,
        tenant_id uuid not null,
        user_id uuid not null,
        name text not null,
        channel text not null,
        template text not null,
        audience jsonb not null,
        time_zone text,
        not_after timestamptz,
        quiet_hours jsonb,
        rate_per_second double precision,
        status text not null,
        revision bigint not null default 0,
        expanded_to text not null default '',
        expanded boolean not null default false,
        dirty boolean not null default false,
        counts jsonb not null default '{}',
        progress_at timestamptz not null default '-infinity',
        started_at timestamptz not null default clock_timestamp(),
        completed_at timestamptz
    )
    """,
    "create index campaign_runs_alive on campaign_runs (tenant_id) where status in ('running', 'paused') or dirty",
    # One row per recipient, single messages and campaigns alike. `lane` 0: a person waits for it; 1: a campaign.
    # Its id is the idempotency key towards the provider.
    """
    create table deliveries (
        id uuid primary key,
        tenant_id uuid not null,
        lane smallint not null,
        campaign_id uuid,
        user_id uuid not null,
        contact_phone text not null,
        channel text not null,
        body text,
        conversation_id uuid,
        message_id uuid,
        seq bigint,
        status text not null default 'pending',
        reason text,
        attempts int not null default 0,
        due_at timestamptz not null default clock_timestamp(),
        not_after timestamptz,
        holder text,
        lease_until timestamptz,
        attempting_at timestamptz,
        provider text,
        provider_ref text,
        created_at timestamptz not null default clock_timestamp(),
        sent_at timestamptz,
        settled_at timestamptz
    ) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02)
    """,
    "create unique index deliveries_once on deliveries (campaign_id, contact_phone) where campaign_id is not null",
    "create index deliveries_single on deliveries (tenant_id, due_at) where status = 'pending' and lane = 0",
    "create index deliveries_campaign on deliveries (campaign_id, due_at) where status = 'pending' and lane = 1",
    "create index deliveries_leased on deliveries (lease_until) where status = 'sending'",
    "create index deliveries_of_campaign on deliveries (campaign_id, status, id) where campaign_id is not null",
    "create index deliveries_uncertain on deliveries (tenant_id, id) where status = 'uncertain'",
    "create index deliveries_by_ref on deliveries (provider, provider_ref) where provider_ref is not null",
    """
    create table inbound_messages (
        provider text not null,
        provider_ref text not null,
        tenant_id uuid not null,
        received_at timestamptz not null default clock_timestamp(),
        primary key (provider, provider_ref, tenant_id)
    )
    """,
    """
    create table calls (
        id uuid primary key,
        tenant_id uuid not null,
        user_id uuid not null,
        contact_phone text not null,
        scheduled_at timestamptz not null,
        note text not null default '',
        status text not null,
        reason text,
        provider text,
        provider_ref text,
        holder text,
        lease_until timestamptz,
        attempting_at timestamptz,
        attempts int not null default 0,
        due_at timestamptz not null default clock_timestamp(),
        created_at timestamptz not null default clock_timestamp(),
        settled_at timestamptz
    )
    """,
    "create index calls_open on calls (due_at) where status in ('scheduled', 'ringing')",
    """
    create table call_events (
        call_id uuid not null,
        position int not null,
        tenant_id uuid not null,
        kind text not null,
        detail text,
        at timestamptz not null default clock_timestamp(),
        primary key (call_id, position)
    )
    """,
    # The sandbox provider's side: what it accepted, by idempotency key, and what it still has to report.
    """
    create table sandbox_messages (
        idempotency_key uuid primary key,
        ref text not null,
        tenant_id uuid not null,
        sender text not null,
        recipient text not null,
        body text not null,
        accepted_at timestamptz not null default clock_timestamp(),
        report_at timestamptz,
        outcome text not null
    )
    """,
    "create index sandbox_messages_to_report on sandbox_messages (report_at) where report_at is not null",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
