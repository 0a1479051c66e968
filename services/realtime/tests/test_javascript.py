"""The official JavaScript client, under Node."""

from __future__ import annotations

import pytest

from switchboard.contracts.auth import SessionRevoked
from switchboard.testing import becomes, until
from switchboard.testing.javascript import JavaScript

from .world import ANNA, World, headers_of, read_by

READ = "conversation.read"


@pytest.mark.parametrize("transports", ["websocket", "polling", "polling,websocket"])
async def test_the_official_client_hears_moves_resumes_and_stays_away_once_revoked(
    world: World, javascript: JavaScript, transports: str
) -> None:
    await world.start()
    async with javascript(world.instances[0].url, headers_of(ANNA), transports) as client:
        await until(lambda: client.of("ready"), within=20)
        await world.append(*(read_by(ANNA, seq) for seq in range(20)))
        await becomes(lambda: client.seqs(READ), list(range(20)))

        await client.move_to(world.instances[1].url)
        await world.append(*(read_by(ANNA, seq) for seq in range(20, 40)))
        await becomes(lambda: client.seqs(READ), list(range(40)), within=20)
        assert [said["ready"]["resumed"] for said in client.of("ready")] == [False, True]

        await world.append(SessionRevoked(session_ids=(ANNA.session_id,), user_id=ANNA.user_id, reason="logout"))
        await until(lambda: client.of("disconnect")[-1:] == [{"what": "disconnect", "reason": "io server disconnect"}])


async def test_the_official_client_comes_back_by_itself_when_an_instance_ends(
    world: World, javascript: JavaScript
) -> None:
    async with javascript(world.instances[0].url, headers_of(ANNA), "websocket") as client:
        await until(lambda: client.of("ready"), within=20)

        await world.instances[0].end()

        await until(lambda: client.of("disconnect"))
        assert client.of("disconnect")[0]["reason"] in ("transport close", "transport error")
        await until(lambda: client.of("refused"))
