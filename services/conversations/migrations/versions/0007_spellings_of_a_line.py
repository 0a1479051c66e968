"""Keep consent under each spelling of a line: Argentina's and Brazil's mobile numbers have two.

Statements that look consent up by a number need not know of it, nor instances of the previous release.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    # As `spellings_of` in switchboard.runtime.phones.
    r"""
    create function spellings_of(number text) returns text[] language sql immutable parallel safe as $$
        select case
            when number ~ '^\+549\d{10}$' then array[number, '+54' || substr(number, 5)]
            when number ~ '^\+54[1-8]\d{9}$' then array[number, '+549' || substr(number, 4)]
            when number ~ '^\+55\d\d9[6-9]\d{7}$' then array[number, substr(number, 1, 5) || substr(number, 7)]
            when number ~ '^\+55\d\d[6-9]\d{7}$' then array[number, substr(number, 1, 5) || '9' || substr(number, 6)]
            else array[number]
        end
    $$
    """,
    """
    create or replace function save_consent(tenant uuid, number text, out_now boolean) returns void
    language plpgsql as $$
    begin
        insert into consents as c (tenant_id, phone, opted_out, at)
        select tenant, spelling, out_now, clock_timestamp() from unnest(spellings_of(number)) as spelling
        order by spelling
        on conflict (tenant_id, phone) do update set opted_out = excluded.opted_out, at = excluded.at
        where c.opted_out <> excluded.opted_out;
        if found then
            insert into consent_changes (tenant_id, phone, opted_out, source, by) values (tenant, number, out_now,
                coalesce(nullif(current_setting('switchboard.consent_source', true), ''), 'unknown'),
                nullif(current_setting('switchboard.consent_by', true), '')::uuid);
            update contacts set opted_out = out_now, opted_out_at = case when out_now then clock_timestamp() end,
                updated_at = clock_timestamp()
            where tenant_id = tenant and phone = any(spellings_of(number)) and phone <> number and opted_out <> out_now;
        end if;
    end $$
    """,
    """
    insert into consents as c (tenant_id, phone, opted_out, at)
    select k.tenant_id, spelling, true, max(k.at) from consents k, unnest(spellings_of(k.phone)) as spelling
    where k.opted_out and spelling <> k.phone group by k.tenant_id, spelling
    on conflict (tenant_id, phone) do update set opted_out = true, at = excluded.at
    where not c.opted_out and c.at < excluded.at
    """,
    """
    update contacts k set opted_out = true, opted_out_at = c.at from consents c
    where c.tenant_id = k.tenant_id and c.phone = k.phone and c.opted_out and not k.opted_out
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
