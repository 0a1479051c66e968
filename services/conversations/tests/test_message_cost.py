"""What one message costs the database, counted, so that a later change that adds a round trip is seen."""

from collections import Counter
from typing import Any

import pytest

from switchboard.postgres.connection import Connection
from switchboard.testing import becomes

from .client import ANNA, PHONE, ConversationsClient
from .workers import running_workers

MESSAGES = 20


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The statements of this process so far, by their first words."""
    counted: Counter[str] = Counter()

    def counting(method: str) -> Any:
        run = getattr(Connection, method)

        async def count_and_run(self: Connection, query: str, *rest: Any, **options: Any) -> Any:
            counted[" ".join(query.split()[:6])] += 1
            return await run(self, query, *rest, **options)

        return count_and_run

    for method in ("execute", "executemany", "fetch", "fetchval", "fetchrow"):
        monkeypatch.setattr(Connection, method, counting(method))
    return counted


async def test_a_note_is_one_statement_and_one_event(client: ConversationsClient, statements: Counter[str]) -> None:
    path = f"/conversations/{PHONE}/messages"
    await client.call(ANNA, "POST", path, {"body": "warm", "channel": "note"})
    statements.clear()

    for n in range(MESSAGES):
        answer = await client.call(ANNA, "POST", path, {"body": f"{n}", "channel": "note"}, key=f"{n}")
        assert answer.status == 201

    assert statements.total() == MESSAGES, statements
    assert await client.fetch("select count(*) as rows from outbox") == [
        {"rows": MESSAGES + 2}
    ]  # the first, and its contact


async def test_a_sent_message_takes_few_statements(
    client: ConversationsClient, redis_url: str, statements: Counter[str]
) -> None:
    """Stored, taken by the provider, settled; reports, and the workers' own polls, are shared by messages."""
    async with running_workers(client, redis_url):
        await client.say(ANNA, PHONE, "warm")
        await becomes(lambda: client.fetch("select status from deliveries"), [{"status": "delivered"}])
        statements.clear()
        for n in range(MESSAGES):
            await client.say(ANNA, PHONE, f"{n}")
        own = statements.copy()
        settled = "select count(*) as left from deliveries where status <> 'delivered'"
        await becomes(lambda: client.fetch(settled), [{"left": 0}])

    assert own.total() <= 5 * MESSAGES, own
    events = "select count(*) as rows from outbox where type = 'message.status_changed'"
    assert await client.fetch(events) == [{"rows": 2 * (MESSAGES + 1)}]
