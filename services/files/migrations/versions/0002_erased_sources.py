"""What came from the original's folder and was deleted since: a migration that is repeated doesn't bring it back."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        create table erased_sources (
            tenant_id uuid not null,
            source_path text not null,
            primary key (tenant_id, source_path)
        )
        """
    )
