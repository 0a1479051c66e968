"""A short fault run, and proof that the run notices broken promises."""

from pathlib import Path

import pytest

from switchboard.testing import until
from switchboard.testing.stack import RunningStack

from .run import BALANCED_WITHIN, LEAST_TROUBLES, Report, fault_run
from .testbed import Testbed, own_testbed

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(600)]

SEED = 72  # of troubles that a busy machine is through with soon: no restart of the broker


def tell(words: str) -> None:
    print(words)


async def test_nothing_is_lost_doubled_or_made_up_while_things_go_wrong(stack: RunningStack) -> None:
    await until(lambda: all(row.healthy for row in stack.instances()), within=120)

    report = await fault_run(Testbed(stack), seconds=30, seed=SEED, tell=tell, users=2)

    print(report)
    assert report.is_good, str(report)
    assert len(report.faults) >= LEAST_TROUBLES
    assert all(balance.acknowledged > 0 for balance in report.balances.values())


async def run_with(mutation: str, directory: Path, balanced_within: float = BALANCED_WITHIN) -> Report:
    """Nothing is killed: the services stumble by themselves."""
    async with own_testbed(directory, mutation=mutation) as testbed:
        report = await fault_run(
            testbed, seconds=20, seed=SEED, tell=tell, users=2, calm=True, balanced_within=balanced_within
        )
    print(report)
    return report


@pytest.mark.slow
async def test_errors_without_broken_promises_lose_and_double_nothing(tmp_path: Path) -> None:
    report = await run_with("stumbling", tmp_path / "stack")

    assert report.is_good, str(report)
    assert report.balances["reminders"].acknowledged > 0


@pytest.mark.slow
async def test_without_the_inbox_the_run_tells_of_doubles(tmp_path: Path) -> None:
    report = await run_with("inbox", tmp_path / "stack", balanced_within=30)

    assert report.balances["reminders"].doubled, str(report)


@pytest.mark.slow
async def test_with_rows_deleted_before_the_confirm_the_run_tells_of_losses(tmp_path: Path) -> None:
    report = await run_with("relay", tmp_path / "stack", balanced_within=30)

    assert report.balances["reminders"].lost, str(report)
