"""Run a service with a planted bug, to prove that a fault run detects it.

`python -m tests.faults.mutations MUTATION PACKAGE`

The broker fails at the worst moments, every few times, so that no process must be killed at the right moment. The
correct product survives that (`stumbling`); without its inbox, or with a relay that deletes too early, it does not.
"""

import itertools
import runpy
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from aiormq.abc import DeliveredMessage

from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.connection import BrokerUnavailable
from switchboard.messaging.broker.routing import EVENT_ID
from switchboard.messaging.inbox import consumer
from switchboard.messaging.inbox.deduplication import TransactionalEffect
from switchboard.messaging.outbox import publisher
from switchboard.messaging.outbox import rows as outbox
from switchboard.messaging.outbox.rows import UnsentRow
from switchboard.runtime.background import Stop

EVERY = 5


def stumble_before_acknowledging() -> None:
    """Fail after every fifth committed batch, so that it is redelivered."""
    handle = consumer.Consumer._handle
    count = itertools.count(1)

    async def handle_and_stumble(self: Any, batch: list[DeliveredMessage], stop: Stop) -> None:
        handler = self._handler

        async def then_stumble(envelopes: list[Envelope]) -> None:
            await handler.effect(envelopes)
            if next(count) % EVERY == 0:
                raise BrokerUnavailable("between the effect and the acknowledgement")

        self._handler = replace(handler, effect=then_stumble)
        try:
            await handle(self, batch, stop)
        finally:
            self._handler = handler

    consumer.Consumer._handle = handle_and_stumble  # type: ignore[method-assign]


def stumble_before_publishing() -> None:
    """Fail once before publishing a third of the messages; a retry succeeds."""
    publish_all = publisher.ConfirmChannel.publish_all
    stumbled: set[str] = set()

    async def publish_or_stumble(
        self: publisher.ConfirmChannel, publications: Sequence[publisher.Publication]
    ) -> list[Exception | None]:
        ids = {str(publication.headers.get(EVENT_ID, "")) for publication in publications}
        new = {name for name in ids if name[-1:] in set("05af3")} - stumbled
        if new:
            stumbled.update(new)
            raise BrokerUnavailable("before the messages were sent")
        return await publish_all(self, publications)

    publisher.ConfirmChannel.publish_all = publish_or_stumble  # type: ignore[method-assign]


def switch_the_inbox_off() -> None:
    async def all_are_new(self: TransactionalEffect, conn: object, envelopes: list[Envelope]) -> set[UUID]:
        return {envelope.id for envelope in envelopes}

    TransactionalEffect._add_to_inbox = all_are_new  # type: ignore[method-assign]


def delete_before_the_confirm() -> None:
    list_next = outbox.drop_sent_and_list_next

    async def list_and_drop(conn: Any, sent: Collection[int], **which: Any) -> list[UnsentRow]:
        rows = await list_next(conn, sent, **which)
        await outbox.drop_sent(conn, [row.id for row in rows])
        return rows

    outbox.drop_sent_and_list_next = list_and_drop


STUMBLES = {"conversations": stumble_before_acknowledging, "scheduler": stumble_before_publishing}
BROKEN: dict[str, dict[str, Callable[[], None]]] = {
    "stumbling": {},
    "inbox": {"conversations": switch_the_inbox_off},
    "relay": {"scheduler": delete_before_the_confirm},
}

if __name__ == "__main__":
    mutation, package = sys.argv[1:]
    for mutate in (STUMBLES.get(package), BROKEN[mutation].get(package)):
        if mutate is not None:
            mutate()
    sys.argv = [package]
    runpy.run_module(package, run_name="__main__", alter_sys=True)
