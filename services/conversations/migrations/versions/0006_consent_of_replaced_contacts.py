"""Find a STOP again whose contact was deleted, and added or imported anew, before consent was kept by number.

The contact of today is younger than the last such word of its number. One that is older has had its own say.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
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
      and not exists (select from contacts k where k.tenant_id = last.tenant_id and k.phone = last.contact_phone
                      and k.created_at <= last.created_at)
    on conflict do nothing
    """,
    """
    insert into consent_changes (tenant_id, phone, opted_out, at, source)
    select tenant_id, phone, opted_out, at, 'migration' from consents c
    where not exists (select from consent_changes h where h.tenant_id = c.tenant_id and h.phone = c.phone)
    order by at
    """,
    """
    update contacts k set opted_out = true, opted_out_at = c.at from consents c
    where c.tenant_id = k.tenant_id and c.phone = k.phone and c.opted_out and not k.opted_out
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
