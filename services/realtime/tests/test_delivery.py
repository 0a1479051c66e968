"""Delivery: from the bus to the clients that may see an event."""

import asyncio

import pytest
import socketio
from uuid_utils.compat import uuid7

from switchboard.contracts.auth import TenantUpdated
from switchboard.testing import becomes, until

from .cluster import Cluster
from .fixtures import ANNA, BEN, STRANGER, TENANT, read_by

RENAMED = TenantUpdated(tenant_id=TENANT, name="Acme", status="active", trial_ends_at=None)


@pytest.mark.parametrize("transports", [["websocket"], ["polling", "websocket"], ["polling"]])
async def test_a_user_gets_its_events_in_order_over_any_transport(cluster: Cluster, transports: list[str]) -> None:
    client = await cluster.connect(ANNA, transports=transports)

    await cluster.publish(*(read_by(ANNA, seq) for seq in range(1, 51)))

    await becomes(lambda: client.seqs, list(range(1, 51)))
    assert client.ready == {
        "user_id": str(ANNA.user_id),
        "tenant_id": str(TENANT),
        "resumed": False,
        "last_event_id": client.ready["last_event_id"],
    }
    name, first = client.received[1]
    assert name == "conversation.read"
    assert set(first) == {"id", "event_id", "time", "data"}
    assert first["data"] == {"user_id": str(ANNA.user_id), "contact_phone": "+14155550100", "seq": 1}


async def test_events_reach_their_own_tenant_or_user_only(cluster: Cluster) -> None:
    anna, ben, stranger = [await cluster.connect(user) for user in (ANNA, BEN, STRANGER)]

    await cluster.append(read_by(ANNA, 1), RENAMED, read_by(BEN, 2))
    await cluster.append(read_by(STRANGER, 3), tenant_id=STRANGER.tenant_id)

    await becomes(lambda: [name for name, _ in anna.received[1:]], ["conversation.read", "tenant.updated"])
    await becomes(lambda: [name for name, _ in ben.received[1:]], ["tenant.updated", "conversation.read"])
    await becomes(lambda: stranger.seqs, [3])
    assert (anna.seqs, ben.seqs) == ([1], [2])


async def test_two_instances_agree_on_the_order_and_skip_duplicates(cluster: Cluster) -> None:
    await cluster.start()
    one, other = [await cluster.connect(ANNA, to=n) for n in (0, 1)]
    duplicated = uuid7()

    await asyncio.gather(*(cluster.publish(read_by(ANNA, 100 * n), RENAMED) for n in range(1, 6)))
    await cluster.publish(read_by(ANNA, 7), id=duplicated)
    await cluster.publish(read_by(ANNA, 7), id=duplicated)
    await cluster.publish(read_by(ANNA, 8))

    await until(lambda: 8 in one.seqs and len(one.events) == len(other.events) == 12)
    assert one.events == other.events
    assert one.seqs.count(7) == 1


async def test_an_event_without_a_user_is_skipped_and_the_next_arrives(cluster: Cluster) -> None:
    client = await cluster.connect(ANNA)
    without_user = read_by(ANNA, 1).model_copy(update={"user_id": None})

    await cluster.publish(without_user, read_by(ANNA, 2))

    await becomes(lambda: client.seqs, [2])


async def test_many_sockets_of_one_user_each_get_everything_once(cluster: Cluster) -> None:
    clients = [await cluster.connect(ANNA) for _ in range(5)]

    await cluster.append(*(read_by(ANNA, seq) for seq in range(200)))

    for client in clients:
        await becomes(lambda client=client: client.seqs, list(range(200)))


async def test_a_client_without_a_valid_session_is_refused(cluster: Cluster) -> None:
    for auth in (None, {"token": "bad"}, {"token": 5}):
        client = socketio.AsyncClient(reconnection=False)
        errors: list[object] = []
        client.on("connect_error", errors.append)

        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(cluster.instances[0].url, auth=auth, transports=["websocket"], wait_timeout=30)

        assert errors == [{"message": "unauthenticated"}]


async def test_a_client_may_authenticate_by_a_session_token(cluster: Cluster) -> None:
    client = await cluster.connect(None, auth={"token": "good"})

    await cluster.append(read_by(ANNA, 1))

    await becomes(lambda: client.seqs, [1])
