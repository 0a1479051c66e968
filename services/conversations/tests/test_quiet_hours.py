"""Campaigns with quiet hours in the time zone of each recipient."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversation_commands import QuietHours
from switchboard.testing import until

from .campaigns import CAMPAIGN, campaign
from .client import ANNA, ConversationsClient
from .workers import running_workers

NEW_YORK, BERLIN = "+12125550100", "+4915112345678"


async def test_a_campaign_postpones_only_recipients_in_quiet_hours(client: ConversationsClient, redis_url: str) -> None:
    now = datetime.now(ZoneInfo("Europe/Berlin"))
    quiet = _around(now)  # some five hours earlier in New York: not quiet there

    async with running_workers(client, redis_url):
        await client.deliver(campaign(phones=(NEW_YORK, BERLIN), quiet_hours=quiet))
        await until(lambda: _status(client, NEW_YORK, "delivered"))
        await until(lambda: _is_postponed(client, BERLIN))

    (row,) = await client.fetch("select due_at, attempts, message_id from deliveries where contact_phone = $1", BERLIN)
    assert row["due_at"].astimezone(now.tzinfo).strftime("%H:%M") == quiet.to
    assert (row["attempts"], row["message_id"]) == (0, None)


async def test_a_phone_without_a_time_zone_gets_that_of_the_creator(
    client: ConversationsClient, redis_url: str
) -> None:
    user = UserUpdated(
        user_id=ANNA.user_id, email="a@x.example", name="A", role="agent", disabled=False, time_zone="Asia/Tokyo"
    )
    await client.deliver(user)
    quiet = _around(datetime.now(ZoneInfo("Asia/Tokyo")))

    async with running_workers(client, redis_url):
        await client.deliver(campaign(phones=("+88212345678", "+447911123456"), quiet_hours=quiet))
        await until(lambda: _status(client, "+447911123456", "delivered"))
        await until(lambda: _is_postponed(client, "+88212345678"))


def _around(now: datetime) -> QuietHours:
    hour = timedelta(hours=1)
    return QuietHours(**{"from": (now - hour).strftime("%H:%M"), "to": (now + 2 * hour).strftime("%H:%M")})


async def _status(client: ConversationsClient, phone: str, status: str) -> bool:
    return bool(await client.fetch("select from deliveries where contact_phone = $1 and status = $2", phone, status))


async def _is_postponed(client: ConversationsClient, phone: str) -> bool:
    waiting = "select from deliveries where campaign_id = $1 and contact_phone = $2 and status = 'pending'"
    return bool(await client.fetch(f"{waiting} and due_at > clock_timestamp() + interval '1 minute'", CAMPAIGN, phone))
