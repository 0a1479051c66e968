"""Consent: whether a number wants messages, kept by tenant and number, with its history.

Triggers keep it in step with `contacts.opted_out`, which instances of the previous release write too. A contact that is
deleted, changed or imported again gives no consent back.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table consents (
        tenant_id uuid not null,
        phone text not null,
        opted_out boolean not null,
        at timestamptz not null,
        primary key (tenant_id, phone)
    )
    """,
    """
    create table consent_changes (
        id bigint generated always as identity primary key,
        tenant_id uuid not null,
        phone text not null,
        opted_out boolean not null,
        at timestamptz not null default clock_timestamp(),
        source text not null,
        by uuid
    )
    """,
    "create index consent_changes_of_phone on consent_changes (tenant_id, phone, id)",
    # Who changes it says so in the settings of its transaction; the previous release doesn't.
    """
    create function save_consent(tenant uuid, number text, out_now boolean) returns void language plpgsql as $$
    begin
        insert into consents as c (tenant_id, phone, opted_out, at) values (tenant, number, out_now, clock_timestamp())
        on conflict (tenant_id, phone) do update set opted_out = excluded.opted_out, at = excluded.at
        where c.opted_out <> excluded.opted_out;
        if found then
            insert into consent_changes (tenant_id, phone, opted_out, source, by) values (tenant, number, out_now,
                coalesce(nullif(current_setting('switchboard.consent_source', true), ''), 'unknown'),
                nullif(current_setting('switchboard.consent_by', true), '')::uuid);
        end if;
    end $$
    """,
    """
    create function keep_consent_of_new_contact() returns trigger language plpgsql as $$
    begin
        if new.opted_out then
            perform save_consent(new.tenant_id, new.phone, true);
        else
            select c.opted_out, c.at into new.opted_out, new.opted_out_at from consents c
            where c.tenant_id = new.tenant_id and c.phone = new.phone and c.opted_out;
            new.opted_out := coalesce(new.opted_out, false);
        end if;
        return new;
    end $$
    """,
    """
    create trigger contacts_keep_consent_of_new before insert on contacts for each row
    execute function keep_consent_of_new_contact()
    """,
    """
    create function keep_consent_of_changed_contact() returns trigger language plpgsql as $$
    begin
        if new.opted_out <> old.opted_out then
            perform save_consent(new.tenant_id, new.phone, new.opted_out);
        elsif new.phone <> old.phone then
            select c.opted_out, c.at into new.opted_out, new.opted_out_at from consents c
            where c.tenant_id = new.tenant_id and c.phone = new.phone and c.opted_out;
            new.opted_out := coalesce(new.opted_out, false);
        end if;
        return new;
    end $$
    """,
    """
    create trigger contacts_keep_consent_of_changed before update on contacts for each row
    when (new.opted_out <> old.opted_out or new.phone <> old.phone)
    execute function keep_consent_of_changed_contact()
    """,
    """
    insert into consents (tenant_id, phone, opted_out, at)
    select tenant_id, phone, true, coalesce(opted_out_at, updated_at) from contacts where opted_out
    """,
    # A contact that was deleted took its STOP along: the last such word among the kept messages is its consent.
    """
    insert into consents (tenant_id, phone, opted_out, at)
    select tenant_id, contact_phone, true, created_at from (
        select distinct on (m.tenant_id, c.contact_phone) m.tenant_id, c.contact_phone, m.created_at,
               lower(regexp_replace(m.body, '[^[:alnum:]]', '', 'g')) as word
        from messages m join conversations c on c.id = m.conversation_id
        where m.direction = 'in' and length(m.body) < 40 and lower(regexp_replace(m.body, '[^[:alnum:]]', '', 'g')) in
            ('stop', 'stopall', 'unsubscribe', 'cancel', 'end', 'quit', 'revoke', 'optout', 'remove',
             'start', 'unstop', 'optin', 'subscribe')
        order by m.tenant_id, c.contact_phone, m.created_at desc) last
    where word not in ('start', 'unstop', 'optin', 'subscribe')
      and not exists (select from contacts k where k.tenant_id = last.tenant_id and k.phone = last.contact_phone)
    on conflict do nothing
    """,
    """
    insert into consent_changes (tenant_id, phone, opted_out, at, source)
    select tenant_id, phone, opted_out, at, 'migration' from consents order by at
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
