"""The statement that appends a batch of messages. Every array has one value for each message of the batch."""

from conversations.store.delivery_claims import LEASE
from switchboard.contracts.conversations import ContactCreated
from switchboard.messaging.outbox.numbering import sequence_text
from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX

COLUMNS = {
    "conversation_id": "uuid",  # for a conversation that doesn't exist yet; so is contact_id
    "contact_id": "uuid",
    "contact_event_id": "uuid",  # of the event of a new contact; so is its routing key
    "contact_routing_key": "text",
    "contact_source": "text",
    "tenant_id": "uuid",
    "user_id": "uuid",
    "phone": "text",
    "id": "uuid",
    "direction": "text",
    "channel": "text",
    "body": "text",
    "attachments": "text",  # an array as text: unnest would flatten arrays of arrays
    "status": "text",
    "created_at": "timestamptz",
    "wrote": "boolean",
    "delivery_id": "uuid",
    "holder": "text",  # of the process that may hold the delivery; null: another one may send it
    "traceparent": "text",
    "event_id": "uuid",
    "exchange": "text",
    "routing_key": "text",
    "type": "text",
    "subject": "text",
    "before_sequence": "bytea",
    "before_seq": "bytea",
    "after_seq": "bytea",
    "key_lock": "bigint",
    "route": "text",
    "key": "text",
    "body_hash": "bytea",
    "answer_before": "bytea",
    "answer_after": "bytea",
}
_ARRAYS = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(COLUMNS.values(), start=1))

_TIME = """to_char(k.{} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
# `ContactCreated` in its envelope. Encoded by the statement, which alone knows whether the contact is new.
_CONTACT_CREATED = f"""json_build_object(
    'specversion', '1.0', 'id', n.contact_event_id, 'source', n.contact_source, 'type', '{ContactCreated.type}',
    'subject', 'contact/' || k.id, 'time', {_TIME.format("created_at")}, 'datacontenttype', 'application/json',
    'data', json_build_object(
        'contact_id', k.id, 'phone', k.phone, 'name', k.name, 'tags', k.tags, 'owner_id', k.owner_id,
        'opted_out', k.opted_out, 'created_at', {_TIME.format("created_at")},
        'updated_at', {_TIME.format("updated_at")}),
    'tenantid', n.tenant_id, 'traceparent', n.traceparent)"""

# Conversations are locked in the order of their keys: concurrent statements don't deadlock.
# A delivery is held unless the number has opted out, or an earlier one of the tenant waits.
# A key that has a row already, or is in progress, is left to the request's own transaction (`switchboard.http`). Its
# insert has no conflict clause: a key that was stored meanwhile fails the statement.
APPEND = f"""
with asked as materialized (
    select * from unnest({_ARRAYS}) with ordinality as n ({", ".join(COLUMNS)}, position)
), claimed as materialized (
    select * from asked where key is null
    union all
    select * from asked a where key is not null and pg_try_advisory_xact_lock(key_lock) and not exists (
        select from idempotency_keys k
        where k.tenant_id = a.tenant_id and k.user_id = a.user_id and k.route = a.route and k.key = a.key)
), conversation as (
    insert into conversations as c
        (id, tenant_id, user_id, contact_phone, last_seq, event_seq, read_seq, unread, created_at, updated_at, wrote_at)
    select (array_agg(conversation_id))[1], tenant_id, user_id, phone, count(*), count(*),
           case when bool_and(direction = 'out') then count(*) else 0 end, count(*) filter (where direction = 'in'),
           min(created_at), max(created_at), max(created_at) filter (where wrote)
    from claimed group by tenant_id, user_id, phone order by user_id, phone
    on conflict (user_id, contact_phone) do update set
        last_seq = c.last_seq + excluded.last_seq,
        event_seq = c.event_seq + excluded.event_seq,
        unread = c.unread + excluded.unread,
        updated_at = greatest(c.updated_at, excluded.updated_at),
        wrote_at = greatest(c.wrote_at, excluded.wrote_at)
    where c.tenant_id = excluded.tenant_id
    returning id, user_id, contact_phone, last_seq, event_seq
), numbered as materialized (
    select n.*, c.id as conversation, c.last_seq - count(*) over of_conversation + row_number() over in_order as seq,
           c.event_seq - count(*) over of_conversation + row_number() over in_order as sequence
    from claimed n join conversation c on c.user_id = n.user_id and c.contact_phone = n.phone
    window of_conversation as (partition by c.id), in_order as (partition by c.id order by n.position)
), contact as (
    insert into contacts (id, tenant_id, phone)
    select contact_id, tenant_id, phone from numbered where seq = 1 and phone like '+%' order by tenant_id, phone
    on conflict (tenant_id, phone) do nothing
    returning id, phone, name, tags, owner_id, opted_out, created_at, updated_at
), message as (
    insert into messages
        (conversation_id, seq, id, tenant_id, direction, channel, body, attachments, status, created_at)
    select conversation, seq, id, tenant_id, direction, channel, body, attachments::uuid[], status, created_at
    from numbered
), delivery as (
    insert into deliveries
        (id, tenant_id, lane, user_id, contact_phone, channel, body, conversation_id, message_id, seq,
         traceparent, status, holder, lease_until, attempts)
    select delivery_id, tenant_id, 0, user_id, phone, channel, body, conversation, id, seq, traceparent,
           case when held then 'sending' else 'pending' end, case when held then holder end,
           case when held then clock_timestamp() + interval '{LEASE.total_seconds()} seconds' end, held::int
    from numbered n cross join lateral (select n.holder is not null and not exists (
        select from consents k where k.tenant_id = n.tenant_id and k.phone = n.phone and k.opted_out
    ) and not exists (
        select from deliveries d where d.status = 'pending' and d.lane = 0 and d.tenant_id = n.tenant_id
        and d.due_at <= clock_timestamp()
    ) and not exists (select from tenants t where t.id = n.tenant_id and t.suspended) as held) as decision
    where delivery_id is not null
    returning id, status = 'sending' as held
), event as (
    {INSERT_INTO_OUTBOX}
    select event_id, exchange, routing_key, type, subject,
           before_sequence || {sequence_text("sequence")} || before_seq || convert_to(seq::text, 'UTF8') || after_seq
    from numbered order by position
), contact_event as (
    {INSERT_INTO_OUTBOX}
    select n.contact_event_id, n.exchange, n.contact_routing_key, '{ContactCreated.type}', 'contact/' || k.id,
           convert_to({_CONTACT_CREATED}::text, 'UTF8')
    from contact k join numbered n on n.contact_id = k.id
), answer as (
    insert into idempotency_keys (tenant_id, user_id, route, key, body_hash, status, response)
    select tenant_id, user_id, route, key, body_hash, 201,
           answer_before || convert_to(seq::text, 'UTF8') || answer_after
    from numbered where key is not null
)
select c.position is not null as claimed, n.conversation, n.seq, n.sequence, coalesce(d.held, false) as held
from asked a left join claimed c using (position) left join numbered n using (position)
     left join delivery d on d.id = n.delivery_id
order by position
"""
