"""From the bus to those who may see it."""

from __future__ import annotations

import asyncio

import pytest
import socketio
from uuid_utils.compat import uuid7

from switchboard.contracts.auth import TenantUpdated
from switchboard.testing import becomes, until

from .world import ANNA, BEN, STRANGER, TENANT, World, read_by

RENAMED = TenantUpdated(tenant_id=TENANT, name="Acme", status="active", trial_ends_at=None)


@pytest.mark.parametrize("transports", [["websocket"], ["polling", "websocket"], ["polling"]])
async def test_a_user_hears_what_concerns_it_in_order_over_any_transport(world: World, transports: list[str]) -> None:
    client = await world.connect(ANNA, transports=transports)

    await world.publish(*(read_by(ANNA, seq) for seq in range(1, 51)))

    await becomes(lambda: client.seqs, list(range(1, 51)))
    assert client.ready == {
        "user_id": str(ANNA.user_id),
        "tenant_id": str(TENANT),
        "resumed": False,
        "last_event_id": client.ready["last_event_id"],
    }
    name, first = client.heard[1]
    assert name == "conversation.read"
    assert set(first) == {"id", "event_id", "time", "data"}
    assert first["data"] == {"user_id": str(ANNA.user_id), "contact_phone": "+14155550100", "seq": 1}


async def test_everybody_sees_what_is_the_tenants_and_nobody_what_is_another_users_or_tenants(world: World) -> None:
    anna, ben, stranger = [await world.connect(who) for who in (ANNA, BEN, STRANGER)]

    await world.append(read_by(ANNA, 1), RENAMED, read_by(BEN, 2))
    await world.append(read_by(STRANGER, 3), tenant_id=STRANGER.tenant_id)

    await becomes(lambda: [name for name, _ in anna.heard[1:]], ["conversation.read", "tenant.updated"])
    await becomes(lambda: [name for name, _ in ben.heard[1:]], ["tenant.updated", "conversation.read"])
    await becomes(lambda: stranger.seqs, [3])
    assert (anna.seqs, ben.seqs) == ([1], [2])


async def test_two_instances_show_the_same_order_and_a_redelivered_event_once(world: World) -> None:
    await world.start()
    here, there = [await world.connect(ANNA, to=n) for n in (0, 1)]
    twice = uuid7()

    await asyncio.gather(*(world.publish(read_by(ANNA, 100 * n), RENAMED) for n in range(1, 6)))
    await world.publish(read_by(ANNA, 7), id=twice)
    await world.publish(read_by(ANNA, 7), id=twice)
    await world.publish(read_by(ANNA, 8))

    await until(lambda: 8 in here.seqs and len(here.events) == len(there.events) == 12)
    assert here.events == there.events
    assert here.seqs.count(7) == 1


async def test_an_event_that_doesnt_say_whom_it_concerns_is_parked_and_the_next_one_arrives(world: World) -> None:
    client = await world.connect(ANNA)
    nobodys = read_by(ANNA, 1).model_copy(update={"user_id": None})

    await world.publish(nobodys, read_by(ANNA, 2))

    await becomes(lambda: client.seqs, [2])


async def test_many_sockets_of_one_user_each_hear_everything_once(world: World) -> None:
    clients = [await world.connect(ANNA) for _ in range(5)]

    await world.append(*(read_by(ANNA, seq) for seq in range(200)))

    for client in clients:
        await becomes(lambda client=client: client.seqs, list(range(200)))


async def test_a_client_without_a_good_session_is_refused(world: World) -> None:
    for auth in (None, {"token": "bad"}, {"token": 5}):
        client = socketio.AsyncClient(reconnection=False)
        errors: list[object] = []
        client.on("connect_error", errors.append)

        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(world.instances[0].url, auth=auth, transports=["websocket"], wait_timeout=30)

        assert errors == [{"message": "unauthenticated"}]


async def test_a_token_in_auth_is_as_good_as_the_gateways_word(world: World) -> None:
    client = await world.connect(None, auth={"token": "good"})

    await world.append(read_by(ANNA, 1))

    await becomes(lambda: client.seqs, [1])
