"""`docs/states.md` agrees with the code: each row of its tables is executed, and no row is missing."""

import re
from itertools import takewhile
from pathlib import Path

import pytest

from .states import Planned, Rows
from .states_of_campaigns_and_trials import CAMPAIGN, TRIAL
from .states_of_reminders_and_calls import CALL, REMINDER
from .virtual_time import VirtualScheduler

STATES = Path(__file__).parents[3] / "docs" / "states.md"


def plain(cell: str) -> str:
    """A cell without markup and brackets."""
    return re.sub(r" ?\([^)]*\)", "", cell).replace("`", "").strip()


def table(title: str) -> dict[tuple[str, str], tuple[str, str]]:
    """`from` and `by` of each row of the table with that title, mapped to its `to` and `published`."""
    below = STATES.read_text().split(f"\n## {title}\n", 1)[1].strip().splitlines()
    cells = [line.strip("|").split(" | ") for line in takewhile(lambda line: line.startswith("|"), below)]
    return {(plain(cell[0]), plain(cell[1])): (cell[2].strip(), cell[3].strip()) for cell in cells[2:]}


@pytest.mark.parametrize(
    ("title", "rows"), [("Reminder", REMINDER), ("Call", CALL), ("Campaign", CAMPAIGN), ("Trial", TRIAL)]
)
async def test_each_row_of_the_documented_states_is_what_happens(
    scheduler: VirtualScheduler, title: str, rows: Rows
) -> None:
    documented = table(title)
    assert set(documented) == set(rows)
    for row, (to, messages) in documented.items():
        for way, act, follows in rows[row]:
            it = Planned(scheduler)
            for step in way:
                await step(it)
            before, published = await it.status(), len(await it.published())

            answer = await act(it)

            new = (await it.published())[published:]
            refusal = re.fullmatch(r"(40[49]) `(\w+)`", to)
            if refusal:
                assert answer is not None, row
                assert (str(answer.status), answer.body["code"]) == refusal.groups(), row
            elif answer is not None:
                assert answer.status < 300, (row, answer.body)
            stays = refusal or to.startswith("unchanged")
            assert await it.status() == (follows or (before if stays else plain(re.split("[,; ]", to)[0]))), row
            assert set(new) == set(re.findall(r"`([a-z]+\.[a-z_]+)[ `]", messages)), row
