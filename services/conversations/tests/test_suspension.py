"""Nothing of a suspended tenant is sent; what waits goes on when the tenant is resumed."""

from datetime import timedelta
from uuid import UUID

from conversations.store.calls import claim_due_calls
from conversations.store.delivery_backlog import find_backlog
from conversations.store.delivery_claims import find_next_due
from switchboard.contracts.auth import TenantUpdated
from switchboard.contracts.conversation_commands import CallPlace
from switchboard.testing import becomes, until

from .campaigns import campaign
from .client import ANNA, NOW, PHONE, STRANGER, TENANT, ConversationsClient
from .workers import running_workers

CALL = UUID(int=700)
SECOND = "+14155550102"


async def suspend(client: ConversationsClient, suspended: bool, minutes: int) -> None:
    event = TenantUpdated(tenant_id=TENANT, name="Acme", status="trial", trial_ends_at=None, suspended=suspended)
    await client.deliver(event, at=NOW + timedelta(days=1000, minutes=minutes))


async def recipients(client: ConversationsClient) -> list[str]:
    return sorted(row["recipient"] for row in await client.fetch("select recipient from sandbox_messages"))


async def test_nothing_of_a_suspended_tenant_is_sent_until_it_is_resumed(
    client: ConversationsClient, redis_url: str
) -> None:
    await client.given_users()
    await suspend(client, True, 1)

    async with running_workers(client, redis_url):
        await client.say(ANNA, PHONE, "held")
        await client.deliver(campaign(phones=(SECOND,)))
        await client.say(STRANGER, "+14155550199", "hello")

        await until(lambda: client.fetch("select from deliveries where lane = 1"))
        await becomes(lambda: recipients(client), ["+14155550199"])
        assert await client.fetch("select from deliveries where status <> 'pending' and tenant_id = $1", TENANT) == []
        async with client.database.connection() as conn:
            assert (await find_backlog(conn)).oldest == timedelta()
            assert (await find_next_due(conn) or 1) > 0  # the sender sleeps

        await suspend(client, False, 2)

        await becomes(lambda: recipients(client), [PHONE, SECOND, "+14155550199"], 30)


async def test_a_call_of_a_suspended_tenant_is_not_placed(client: ConversationsClient) -> None:
    await client.given_users()
    await client.deliver(
        CallPlace(call_id=CALL, user_id=ANNA.user_id, contact_phone=PHONE, scheduled_at=NOW), tenant_id=TENANT
    )
    await suspend(client, True, 1)
    async with client.database.connection() as conn:
        assert await claim_due_calls(conn, 10, holder="a", lease=timedelta(seconds=30)) == []

        await suspend(client, False, 2)

        claimed = await claim_due_calls(conn, 10, holder="a", lease=timedelta(seconds=30))
    assert [call.id for call in claimed] == [CALL]
