"""A service with one of its promises broken: `python -m tests.faults.sabotage WHAT PACKAGE`.

`slow` breaks none: it only waits where a kill would hurt. `inbox` and `relay` wait there as well.
"""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import Collection
from typing import Any
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage

from switchboard.contracts.envelope import Envelope
from switchboard.messaging import consumer, outbox, relay
from switchboard.messaging.delivery import TransactionalEffect
from switchboard.messaging.outbox import UnsentRow
from switchboard.runtime.loops import Stop

WAIT_SECONDS = 0.7


def acknowledge_late() -> None:
    """Between an effect and its acknowledgement, and between a confirm and the row's end, time passes."""
    take, drop = consumer.Consumer._take, relay._Shift._drop_confirmed

    async def take_slowly(self: Any, batch: list[AbstractIncomingMessage], stop: Stop) -> None:
        effect = self._effect

        async def then_wait(envelopes: list[Envelope]) -> None:
            await effect(envelopes)
            await asyncio.sleep(WAIT_SECONDS)

        self._effect = then_wait
        try:
            await take(self, batch, stop)
        finally:
            self._effect = effect

    async def drop_slowly(self: Any) -> None:
        await asyncio.sleep(WAIT_SECONDS if self._confirmed else 0)
        await drop(self)

    consumer.Consumer._take = take_slowly  # type: ignore[method-assign]
    relay._Shift._drop_confirmed = drop_slowly  # type: ignore[method-assign]


def switch_the_inbox_off() -> None:
    acknowledge_late()

    async def all_are_new(self: TransactionalEffect, conn: object, envelopes: list[Envelope]) -> set[UUID]:
        return {envelope.id for envelope in envelopes}

    TransactionalEffect._mark_seen = all_are_new  # type: ignore[method-assign]


def delete_before_the_confirm() -> None:
    list_unsent = outbox.list_unsent

    async def list_and_drop(
        conn: Any, *, besides: Collection[int], without: Collection[str], limit: int
    ) -> list[UnsentRow]:
        rows = await list_unsent(conn, besides=besides, without=without, limit=limit)
        await outbox.drop_sent(conn, [row.id for row in rows])
        if rows:
            await asyncio.sleep(WAIT_SECONDS)
        return rows

    outbox.list_unsent = list_and_drop


SABOTAGE = {"slow": acknowledge_late, "inbox": switch_the_inbox_off, "relay": delete_before_the_confirm}

if __name__ == "__main__":
    what, package = sys.argv[1:]
    SABOTAGE[what]()
    sys.argv = [package]
    runpy.run_module(package, run_name="__main__", alter_sys=True)
