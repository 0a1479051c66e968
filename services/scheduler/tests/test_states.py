"""`docs/states.md` says what the code does: each row of its tables is lived through, and no row is without a story."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

import pytest

from .transitions import CALL, CAMPAIGN, REMINDER, TRIAL, Planned, Rows
from .world import World

STATES = Path(__file__).parents[3] / "docs" / "states.md"


def plain(cell: str) -> str:
    """A cell without marks and brackets."""
    return re.sub(r" ?\([^)]*\)", "", cell).replace("`", "").strip()


def table(title: str) -> dict[tuple[str, str], tuple[str, str]]:
    """`from` and `by` of each row below that title, and what stands in its `to` and `said`."""
    below = STATES.read_text().split(f"\n## {title}\n", 1)[1].strip().splitlines()
    cells = [line.strip("|").split(" | ") for line in takewhile(lambda line: line.startswith("|"), below)]
    return {(plain(cell[0]), plain(cell[1])): (cell[2].strip(), cell[3].strip()) for cell in cells[2:]}


@pytest.mark.parametrize(
    ("title", "rows"), [("Reminder", REMINDER), ("Call", CALL), ("Campaign", CAMPAIGN), ("Trial", TRIAL)]
)
async def test_each_row_of_a_table_of_states_is_what_happens(world: World, title: str, rows: Rows) -> None:
    documented = table(title)
    assert set(documented) == set(rows)
    for row, (to, said) in documented.items():
        for way, act, follows in rows[row]:
            it = Planned(world)
            for step in way:
                await step(it)
            before, heard = await it.status(), await it.said()

            answer = await act(it)

            told = (await it.said())[len(heard) :]
            refusal = re.fullmatch(r"(40[49]) `(\w+)`", to)
            if refusal:
                assert answer is not None, row
                assert (str(answer.status), answer.body["code"]) == refusal.groups(), row
            elif answer is not None:
                assert answer.status < 300, (row, answer.body)
            stays = refusal or to.startswith("unchanged")
            assert await it.status() == (follows or (before if stays else plain(re.split("[,; ]", to)[0]))), row
            assert set(told) == set(re.findall(r"`([a-z]+\.[a-z_]+)[ `]", said)), row
