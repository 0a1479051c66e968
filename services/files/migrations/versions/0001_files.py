"""Documents, and the tables of messaging."""

from alembic import op

from switchboard.messaging.schema import create_messaging_tables

revision = "0001"
down_revision = None

FILES = """
create table files (
    id uuid primary key,
    tenant_id uuid not null,
    state text not null check (state in ('uploading', 'announced', 'completing', 'stored', 'deleted')),
    name text not null,             -- as its user knows it
    key text collate "C" not null unique,   -- in the bucket, ordered as it orders
    size bigint not null,           -- bytes; announced, until it is stored
    content_type text not null,
    sha256 text,                    -- lower-case hex; announced or null, until it is stored
    entity_type text not null,
    entity_id text not null,
    uploaded_by uuid not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,         -- when an upload that isn't complete by then is given up
    deleted_at timestamptz,
    source_path text,               -- where it was in the original's folder, if it came from there
    check (state <> 'stored' or sha256 is not null)
)
"""
LISTED = """
create index files_listed on files (tenant_id, entity_type, entity_id, created_at desc, id desc)
where state = 'stored'
"""
LISTED_ALL = "create index files_listed_all on files (tenant_id, created_at desc, id desc) where state = 'stored'"
UNFINISHED = "create index files_unfinished on files (state, expires_at) where state <> 'stored'"
SOURCES = "create unique index files_sources on files (tenant_id, source_path) where source_path is not null"


def upgrade() -> None:
    create_messaging_tables(op)
    for statement in (FILES, LISTED, LISTED_ALL, UNFINISHED, SOURCES):
        op.execute(statement)
