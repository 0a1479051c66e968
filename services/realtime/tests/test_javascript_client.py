"""The official JavaScript client, under Node."""

import pytest

from switchboard.contracts.auth import SessionRevoked
from switchboard.testing import becomes, until
from switchboard.testing.javascript import JavaScript

from .cluster import Cluster
from .fixtures import ANNA, headers_of, read_by

READ = "conversation.read"


@pytest.mark.parametrize("transports", ["websocket", "polling", "polling,websocket"])
async def test_the_client_receives_resumes_elsewhere_and_obeys_a_revocation(
    cluster: Cluster, javascript: JavaScript, transports: str
) -> None:
    await cluster.start()
    async with javascript(cluster.instances[0].url, headers_of(ANNA), transports) as client:
        await until(lambda: client.of("ready"), within=20)
        await cluster.append(*(read_by(ANNA, seq) for seq in range(20)))
        await becomes(lambda: client.seqs(READ), list(range(20)))

        await client.move_to(cluster.instances[1].url)
        await cluster.append(*(read_by(ANNA, seq) for seq in range(20, 40)))
        await becomes(lambda: client.seqs(READ), list(range(40)), within=20)
        assert [line["ready"]["resumed"] for line in client.of("ready")] == [False, True]

        await cluster.append(SessionRevoked(session_ids=(ANNA.session_id,), user_id=ANNA.user_id, reason="logout"))
        await until(lambda: client.of("disconnect")[-1:] == [{"what": "disconnect", "reason": "io server disconnect"}])


async def test_the_client_reconnects_by_itself_when_an_instance_ends(cluster: Cluster, javascript: JavaScript) -> None:
    async with javascript(cluster.instances[0].url, headers_of(ANNA), "websocket") as client:
        await until(lambda: client.of("ready"), within=20)

        await cluster.instances[0].end()

        await until(lambda: client.of("disconnect"))
        assert client.of("disconnect")[0]["reason"] in ("transport close", "transport error")
        await until(lambda: client.of("refused"))
