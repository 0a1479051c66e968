"""A short fault run, and proof that a fault run detects planted bugs."""

from pathlib import Path

import pytest

from switchboard.testing import until
from switchboard.testing.stack import RunningStack

from .run import BALANCED_WITHIN, LEAST_FAULTS, Report, fault_run
from .testbed import FaultTestbed, private_testbed

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(600)]

SEED = 72  # faults from which a busy machine recovers soon: no restart of the broker


def log(text: str) -> None:
    print(text)


async def test_nothing_is_lost_or_doubled_while_faults_are_injected(stack: RunningStack) -> None:
    await until(lambda: all(row.healthy for row in stack.instances()), within=120)

    report = await fault_run(FaultTestbed(stack), seconds=30, seed=SEED, log=log, users=2)

    print(report)
    assert report.is_good, str(report)
    assert len(report.faults) >= LEAST_FAULTS
    assert all(balance.acknowledged > 0 for balance in report.balances.values())


async def run_with(mutation: str, directory: Path, balanced_within: float = BALANCED_WITHIN) -> Report:
    """Run without injected faults: the mutated services fail by themselves."""
    async with private_testbed(directory, mutation=mutation) as testbed:
        report = await fault_run(
            testbed, seconds=20, seed=SEED, log=log, users=2, calm=True, balanced_within=balanced_within
        )
    print(report)
    return report


@pytest.mark.slow
async def test_redelivery_and_retried_publishing_lose_and_double_nothing(tmp_path: Path) -> None:
    report = await run_with("stumbling", tmp_path / "stack")

    assert report.is_good, str(report)
    assert report.balances["reminders"].acknowledged > 0


@pytest.mark.slow
async def test_a_run_without_the_inbox_reports_duplicates(tmp_path: Path) -> None:
    report = await run_with("inbox", tmp_path / "stack", balanced_within=30)

    assert report.balances["reminders"].doubled, str(report)


@pytest.mark.slow
async def test_a_run_that_deletes_rows_before_the_confirm_reports_losses(tmp_path: Path) -> None:
    report = await run_with("relay", tmp_path / "stack", balanced_within=30)

    assert report.balances["reminders"].lost, str(report)
