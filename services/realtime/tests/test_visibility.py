"""Visibility: each event of the contracts, as received by the user that it is for, a colleague and another tenant."""

import pytest

from switchboard.testing import becomes

from .client import Client
from .cluster import Cluster
from .fixtures import ANNA, BEN, STRANGER, TENANT, read_by
from .visibility import ALL, EVENTS, PHONE


async def test_each_event_reaches_exactly_the_users_that_may_see_it(cluster: Cluster) -> None:
    clients = [await cluster.connect(user) for user in (ANNA, BEN, STRANGER)]

    await cluster.append(*(cls.model_validate(fields) for cls, fields, _ in EVENTS))
    for user in (ANNA, BEN, STRANGER):
        await cluster.append(read_by(user, 99), tenant_id=user.tenant_id)

    for client in clients:
        await becomes(lambda client=client: client.seqs[-1:], [99])
    anna, ben, stranger = (types(client)[:-1] for client in clients)
    assert anna == [cls.type for cls, _, _ in EVENTS]
    assert ben == [cls.type for cls, _, audience in EVENTS if audience == ALL]
    assert stranger == []


@pytest.mark.parametrize("chosen", [{"user_id": str(ANNA.user_id)}, {"tenant_id": str(TENANT)}, {"room": "tenant"}])
async def test_nothing_that_a_client_sends_chooses_its_user_or_tenant(cluster: Cluster, chosen: dict[str, str]) -> None:
    stranger = await cluster.connect(STRANGER, auth=chosen)
    await stranger.socket.call("typing", {"contact_phone": PHONE, "typing": True, **chosen})

    await cluster.append(*(cls.model_validate(fields) for cls, fields, _ in EVENTS))
    await cluster.append(read_by(STRANGER, 99), tenant_id=STRANGER.tenant_id)

    await becomes(lambda: stranger.seqs, [99])
    assert (stranger.ready["user_id"], stranger.ready["tenant_id"]) == (
        str(STRANGER.user_id),
        str(STRANGER.tenant_id),
    )


def types(client: Client) -> list[str]:
    return [name for name, payload in client.received if "event_id" in payload]
