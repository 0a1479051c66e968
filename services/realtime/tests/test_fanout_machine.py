"""The event log, the dispatcher, the rooms and catch-up, stepped in any order, sound and with planted faults."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from realtime.fanout import Dispatcher, catch_up, dispatcher
from realtime.fanout.rooms import RoomMember, Rooms
from switchboard.event_log import Batch, StoredEntry, writer
from switchboard.event_log.append_script import APPEND
from switchboard.event_log.batches import stored_entry
from switchboard.runtime.background import Backoff

from .fanout_machine import FanoutMachine

SETTINGS = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


@pytest.fixture
def machine(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> type[FanoutMachine]:
    monkeypatch.setattr(catch_up, "ENTRIES_PER_PAGE", 2)
    monkeypatch.setattr(dispatcher, "Backoff", lambda **_: Backoff(first=0.001, most=0.001))
    return type("Machine", (FanoutMachine,), {"redis_url": redis_url})


def test_every_client_hears_its_log_once_and_in_order(machine: type[FanoutMachine]) -> None:
    run_state_machine_as_test(machine, settings=SETTINGS)


def _live_at_once(rooms: Rooms, member: RoomMember, seen: int) -> bool:
    rooms.go_live_from(member, seen)
    return True


def _pushed_again(rooms: Rooms, tenant: bytes, entry: StoredEntry, epoch: str) -> int:
    for member in rooms.members_of(tenant):
        member.seen = 0
    return BROADCAST(rooms, tenant, entry, epoch)


async def _gaps_unnoticed(self: Dispatcher, _end: int) -> None:
    return


async def _epoch_unnoticed(self: Dispatcher) -> None:
    end = await self._log.begin()
    if not self.epoch:
        self.epoch, self.position = end.epoch, end.position
    await self._dispatch_missed(end.position)


async def _dispatched_late(self: Dispatcher, batch: Batch) -> None:
    for tenant, room, line in batch.entries():
        if self.rooms.has(tenant):
            self.rooms.broadcast(tenant, stored_entry(room, line), self.epoch)
    self.position = batch.before


BROADCAST = Rooms.broadcast

SLOW_TO_FIND = {"another epoch is not noticed": pytest.mark.slow}

FAULTS: dict[str, tuple[Any, str, Any]] = {
    "a member becomes live although more was dispatched": (Rooms, "go_live", _live_at_once),
    "what a member has read is pushed again": (Rooms, "broadcast", _pushed_again),
    "a batch that was not heard is not noticed": (Dispatcher, "_dispatch_missed", _gaps_unnoticed),
    "another epoch is not noticed": (Dispatcher, "_begin", _epoch_unnoticed),
    "a position stays behind": (Dispatcher, "_dispatch", _dispatched_late),
    "a known number is appended again": (
        writer,
        "APPEND",
        APPEND.replace("or not in_order then return 0", "then return 1"),
    ),
    "a hint is appended before the one it follows": (writer, "APPEND", APPEND.replace("return -1 end", "end")),
}


@pytest.mark.parametrize("fault", [pytest.param(fault, marks=SLOW_TO_FIND.get(fault, ())) for fault in FAULTS])
def test_a_planted_fault_is_seen(machine: type[FanoutMachine], monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    target, name, broken = FAULTS[fault]
    monkeypatch.setattr(target, name, broken)
    monkeypatch.setattr(writer, "_SHA", "0" * 40)  # so that a changed script is used

    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=400, phases=[Phase.generate]))
