"""Let nobody's address be taken by somebody else's invitation: only who can sign in has an address for their own.

Instances of the previous release go on: the users whom they invite take the address as before, until they are gone.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    "alter table users add column invited boolean not null default false",
    """
    update users set invited = true where password_hash is null and not exists (
        select from oauth_accounts where user_id = users.id
    )
    """,
    """
    create unique index users_email_of_account on users (lower(email))
    where not (invited and password_hash is null)
    """,
    "create unique index users_email_of_tenant on users (tenant_id, lower(email))",
    "drop index users_email",
    "create index users_email on users (lower(email))",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
