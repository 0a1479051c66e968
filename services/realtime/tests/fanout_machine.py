"""The event log, the dispatcher, the rooms and catch-up as one state machine: no client misses or hears twice."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from switchboard.event_log import EventLogWriter, LogEntry
from switchboard.event_log.batches import BATCHES
from switchboard.runtime.redis import RedisUnavailable, open_redis

from .fanout_model import Client, Instance

TENANTS = (UUID(int=1), UUID(int=2))
SUBJECTS = ("a", "b")
WHICH = st.integers(0, 1)
MOST_TROUBLES = 3  # in one run: after each, clients reload, which hides what went wrong before


@dataclass
class Partition:
    """The events of a subject: all are committed; the bus has brought the first `arrived`."""

    tenant: UUID
    subject: str
    committed: int = 0
    arrived: int = 0
    logged: int = 0
    """The last one that was appended to the log."""

    def entries(self, first: int, last: int) -> list[LogEntry]:
        """Events by their numbers, from `first` to before `last`."""
        return [
            LogEntry(self.tenant, self.subject, n, f"{self.subject}{n}", "message", "now", "tenant", b"{}")
            for n in range(first, last)
        ]


class FanoutMachine(RuleBasedStateMachine):
    """Two instances, three clients and two subjects of each tenant, stepped in any order."""

    redis_url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.positions: dict[UUID, list[int]] = {tenant: [] for tenant in TENANTS}
        self.partitions = [Partition(tenant, subject) for tenant in TENANTS for subject in SUBJECTS]
        self.troubles = 0
        self.forgot = False  # whether Redis has lost the log once
        self.runner.run(self._start())

    async def _start(self) -> None:
        self.redis = await self.stack.enter_async_context(open_redis(self.redis_url))
        await self.redis.flushdb()
        self.writer = EventLogWriter(self.redis)
        self.instances = [Instance(self.redis) for _ in range(2)]
        for instance in self.instances:
            await instance.gate.arrival(instance.task)
        self.clients = [Client(tenant, self.positions[tenant]) for tenant in (*TENANTS, TENANTS[0])]
        for n, instance in enumerate(self.instances):
            while not instance.is_connected:
                await instance.step()
            await self.clients[n].connect(instance)

    async def _append(self, entries: list[LogEntry], *, in_order: bool) -> None:
        answers = await self.writer.append(entries, in_order=in_order)
        for entry, position in zip(entries, answers, strict=True):
            if position > 0:
                self.positions[entry.tenant].append(position)
                self._check_order(entry)

    def _check_order(self, entry: LogEntry) -> None:
        partition = next(p for p in self.partitions if (p.tenant, p.subject) == (entry.tenant, entry.subject))
        number = entry.sequence or 0
        in_order = number > partition.logged if self.forgot else number == partition.logged + 1
        assert in_order, f"{number} was appended after {partition.logged}"
        partition.logged = number

    @rule(which=st.integers(0, 3), count=st.integers(1, 3), way=st.sampled_from(["bus", "hint", "heard"]))
    def commit(self, which: int, count: int, way: str) -> None:
        """A service stores events, and may hint them to the log, where the instances may hear them at once."""
        partition = self.partitions[which]
        first = partition.committed + 1
        partition.committed += count
        if way != "bus":
            self.runner.run(self._append(partition.entries(first, first + count), in_order=False))
        if way == "heard":
            self.step_instance(which=0, count=1)
            self.step_instance(which=1, count=1)

    @rule(which=st.integers(0, 3), back=st.integers(0, 4))
    def hint_late(self, which: int, back: int) -> None:
        """A hint comes late, or again."""
        partition = self.partitions[which]
        first = max(1, partition.committed - back)
        self.runner.run(self._append(partition.entries(first, partition.committed + 1), in_order=False))

    @rule(which=st.integers(0, 3), count=st.integers(1, 5), acknowledged=st.booleans())
    def deliver(self, which: int, count: int, acknowledged: bool) -> None:
        """The bus delivers, and will deliver the same again unless it is acknowledged."""
        partition = self.partitions[which]
        last = min(partition.committed, partition.arrived + count)
        self.runner.run(self._append(partition.entries(partition.arrived + 1, last + 1), in_order=True))
        if acknowledged:
            partition.arrived = last

    @rule(which=WHICH, count=st.integers(1, 4))
    def step_instance(self, which: int, count: int) -> None:
        for _ in range(count):
            self.runner.run(self.instances[which].step())

    @precondition(lambda self: self.troubles < MOST_TROUBLES)
    @rule(trouble=st.sampled_from(["lost first", "lost second", "trimmed", "another primary"]))
    def disturb(self, trouble: str) -> None:
        """An instance loses its connection; batches are trimmed faster than it reads; Redis is another one."""
        self.troubles += 1
        match trouble:
            case "trimmed":
                self.runner.run(self._trim())
                self.runner.run(self.instances[0].step(RedisUnavailable("lost")))
                self.step_instance(which=0, count=4)
            case "another primary":
                self.runner.run(self._change_primary())
            case _:
                self.runner.run(self.instances[trouble == "lost second"].step(RedisUnavailable("lost")))

    async def _trim(self) -> None:
        await self.redis.xtrim(BATCHES, maxlen=1, approximate=False)

    async def _change_primary(self) -> None:
        """The new one lacks the last writes: here, all of them."""
        await self.redis.flushdb()
        for client in self.clients:
            client.forget_log()
        for positions in self.positions.values():
            positions.clear()
        self.forgot = True
        for partition in self.partitions:
            partition.logged = 0
        for instance in self.instances:
            await instance.step(RedisUnavailable("lost"))
        for client in self.clients:
            if client.is_reading:
                await client.step(RedisUnavailable("lost"))

    @rule(which=st.integers(0, 2), where=WHICH, steps=st.integers(0, 6))
    def reconnect(self, which: int, where: int, steps: int) -> None:
        """A client leaves its instance for one that may be further on or behind, and begins to catch up."""
        client, instance = self.clients[which], self.instances[where]
        self.runner.run(client.disconnect())
        if instance.is_connected:
            self.runner.run(client.connect(instance))
            self.step_client(which=which, count=steps)

    @rule(which=st.integers(0, 2), count=st.integers(1, 6))
    def step_client(self, which: int, count: int) -> None:
        client = self.clients[which]
        for _ in range(count):
            if client.is_reading:
                self.runner.run(client.step())

    def teardown(self) -> None:
        try:
            self.runner.run(self._finish())
        finally:
            self.runner.run(self._close())
            self.runner.close()

    async def _finish(self) -> None:
        """Let everything come to its end: then each client that is connected has its tenant's whole log."""
        stepped, rounds = True, 0
        while stepped and rounds < 200:
            stepped, rounds = False, rounds + 1
            for instance in self.instances:
                stepped |= await instance.step()
            for client in self.clients:
                if client.is_reading:
                    await client.step()
                    stepped = True
        assert not stepped, "it does not come to its end"
        for client in self.clients:
            assert not client.errors, client.errors
            assert client.member is None or not client.has_lost, "it was not told to reload"
            if client.member is not None and client.positions:
                assert client.cursor is not None
                assert client.cursor.position >= client.positions[-1], "entries missed"

    async def _close(self) -> None:
        for client in self.clients:
            await client.disconnect()
        for instance in self.instances:
            instance.task.cancel()
            await asyncio.wait({instance.task})
        await self.stack.aclose()
