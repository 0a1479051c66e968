"""Keep a report of each contact import, line by line."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table contact_imports (
        id uuid primary key,
        tenant_id uuid not null,
        created_at timestamptz not null default clock_timestamp(),
        finished_at timestamptz,
        failure text,
        created integer not null default 0,
        updated integer not null default 0,
        unchanged integer not null default 0,
        rejected integer not null default 0
    )
    """,
    "create index contact_imports_of_tenant on contact_imports (tenant_id, created_at)",
    """
    create table contact_import_lines (
        import_id uuid not null references contact_imports on delete cascade,
        line integer not null,
        outcome text not null check (outcome in ('created', 'updated', 'unchanged', 'rejected')),
        phone text,
        reason text,
        primary key (import_id, line)
    )
    """,
    # A number comes once in a file.
    """
    create unique index contact_import_lines_by_phone on contact_import_lines (import_id, phone)
    where phone is not null
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
