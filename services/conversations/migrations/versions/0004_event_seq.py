"""The number of a conversation's last event, and a trigger that counts those of instances of the previous release."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    "alter table conversations add column event_seq bigint not null default 0",
    # An instance of the previous release doesn't number its events: the gap tells readers to wait for the bus.
    """
    create function count_unnumbered_event() returns trigger language plpgsql as $$
    begin
        new.event_seq := new.event_seq + 1;
        return new;
    end $$
    """,
    """
    create trigger conversations_count_unnumbered_event before update on conversations for each row
    when (new.event_seq = old.event_seq and (new.last_seq, new.read_seq, new.cleared_seq)
          is distinct from (old.last_seq, old.read_seq, old.cleared_seq))
    execute function count_unnumbered_event()
    """,
    """
    create trigger conversations_count_unnumbered_first_event before insert on conversations for each row
    when (new.event_seq = 0 and new.last_seq > 0) execute function count_unnumbered_event()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
