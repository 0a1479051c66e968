"""Messaging's tables, projections of users and tenants, contacts, conversations, messages, notifications, imports."""

from alembic import op

from switchboard.messaging.schema import create_messaging_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "create extension if not exists pg_trgm",
    # Projections of what auth owns: `as_of` is the time of the event that they stand for.
    """
    create table tenants (
        id uuid primary key,
        name text not null,
        status text not null,
        time_zone text,
        as_of timestamptz not null
    )
    """,
    """
    create table users (
        id uuid primary key,
        tenant_id uuid not null,
        email text not null,
        name text not null,
        role text not null,
        disabled boolean not null,
        notify_phone text,
        time_zone text,
        as_of timestamptz not null
    )
    """,
    "create index users_by_tenant on users (tenant_id, role)",
    # The tenant's documents, for attachments: from the events of `files`.
    """
    create table files (
        id uuid primary key,
        tenant_id uuid not null,
        deleted boolean not null default false
    )
    """,
    """
    create table contacts (
        id uuid primary key,
        tenant_id uuid not null,
        phone text not null,
        name text,
        tags text[] not null default '{}',
        owner_id uuid,
        opted_out boolean not null default false,
        opted_out_at timestamptz,
        created_at timestamptz not null default clock_timestamp(),
        updated_at timestamptz not null default clock_timestamp(),
        unique (tenant_id, phone)
    )
    """,
    "create index contacts_by_tenant on contacts (tenant_id, id)",
    "create index contacts_by_tag on contacts using gin (tags)",
    "create index contacts_by_words on contacts using gin ((coalesce(name, '') || ' ' || phone) gin_trgm_ops)",
    """
    create table conversations (
        id uuid primary key,
        tenant_id uuid not null,
        user_id uuid not null,
        contact_phone text not null,
        last_seq bigint not null default 0,
        cleared_seq bigint not null default 0,
        read_seq bigint not null default 0,
        unread int not null default 0,
        metadata jsonb not null default '{}',
        created_at timestamptz not null default clock_timestamp(),
        updated_at timestamptz not null default clock_timestamp(),
        unique (user_id, contact_phone)
    ) with (fillfactor = 80)
    """,
    "create index conversations_newest on conversations (tenant_id, user_id, updated_at desc, id desc)",
    "create index conversations_of_phone on conversations (contact_phone, tenant_id)",
    # No foreign key to conversations: their rows are never dropped, and the row is locked by each append anyway.
    # `original` is the very text of a message that came from the original's files.
    """
    create table messages (
        conversation_id uuid not null,
        seq bigint not null,
        id uuid not null,
        tenant_id uuid not null,
        direction text not null check (direction in ('in', 'out')),
        channel text not null,
        body text not null,
        attachments uuid[] not null default '{}',
        status text not null,
        error text,
        metadata jsonb not null default '{}',
        created_at timestamptz not null,
        original text,
        primary key (conversation_id, seq)
    )
    """,
    "create index messages_words on messages using gin (to_tsvector('simple', body))",
    """
    create table notifications (
        id uuid primary key,
        tenant_id uuid not null,
        user_id uuid not null,
        kind text not null,
        title text not null,
        body text not null,
        subject_id uuid,
        created_at timestamptz not null,
        read_at timestamptz
    )
    """,
    "create index notifications_newest on notifications (tenant_id, user_id, created_at desc, id desc)",
    # What the original's files held: `layout` is all of a file that is not a message, so that it can be written again.
    """
    create table imported_files (
        tenant_id uuid not null,
        file text not null,
        conversation_id uuid not null,
        layout jsonb not null,
        imported_at timestamptz not null default clock_timestamp(),
        primary key (tenant_id, file)
    )
    """,
    "create index imported_files_of_conversation on imported_files (conversation_id)",
    # A message of the original is (file, position, sha256 of its text). It outlives the message.
    """
    create table imported_messages (
        tenant_id uuid not null,
        file text not null,
        position int not null,
        sha256 bytea not null,
        conversation_id uuid not null,
        seq bigint not null,
        primary key (tenant_id, file, position, sha256)
    )
    """,
    "create index imported_messages_by_place on imported_messages (conversation_id, seq)",
)


def upgrade() -> None:
    create_messaging_tables(op)
    for statement in TABLES:
        op.execute(statement)
