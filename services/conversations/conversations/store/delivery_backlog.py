"""What waits to be sent, of all tenants together, for metrics. Its cost grows with tenants that wait, not with rows."""

from dataclasses import dataclass
from datetime import timedelta

import asyncpg

# A loose index scan finds the oldest of each tenant that waits. Campaigns are counted by their progress.
FIND = """
with recursive lane as (
    (select tenant_id, due_at from deliveries where status = 'pending' and lane = 0 order by tenant_id, due_at limit 1)
    union all
    select next.tenant_id, next.due_at from lane cross join lateral (
        select d.tenant_id, d.due_at from deliveries d
        where d.status = 'pending' and d.lane = 0 and d.tenant_id > lane.tenant_id
        order by d.tenant_id, d.due_at limit 1) next
), campaign as (
    select count(distinct run.id) as campaigns,
           coalesce(sum(of.number::bigint) filter (where of.status = 'total'), 0)::bigint as recipients,
           coalesce(sum(of.number::bigint) filter (where of.status <> 'total'), 0)::bigint as settled
    from campaign_runs run left join jsonb_each_text(run.counts) as of (status, number) on true
    where run.status = 'running'
)
select coalesce((select clock_timestamp() - min(due_at) from lane where due_at < clock_timestamp()
                 and not exists (select from tenants t where t.id = lane.tenant_id and t.suspended)), interval '0'),
       (select count(*) from (select from deliveries where status = 'pending' and lane = 0
                              and due_at <= clock_timestamp() limit 10000) counted),
       (select count(*) from (select from deliveries where status = 'uncertain' limit 10000) counted),
       campaigns, recipients, settled
from campaign
"""


@dataclass(frozen=True)
class DeliveryBacklog:
    """`oldest`: how long the single message that has been due longest has waited."""

    oldest: timedelta
    waiting: int
    uncertain: int
    campaigns: int
    recipients: int
    settled: int


async def find_backlog(conn: asyncpg.Connection) -> DeliveryBacklog:
    row = await conn.fetchrow(FIND)
    assert row is not None
    return DeliveryBacklog(*row)
