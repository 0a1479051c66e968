"""The first minute of a newcomer: sample data, the picture of the README, and removing it again."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from switchboard.testing.stack import RunningStack

from .person import Person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("browser"),
]

PICTURE = Path(__file__).parents[2] / "docs" / "console.png"


async def test_sample_data_is_there_within_a_minute_and_removed_by_one_press(
    chromium: Browser, stack: RunningStack
) -> None:
    size = {"width": 1280, "height": 760}
    anna = await Person.signed_up(chromium, stack.gateways[0], tenant="Brightwater Dental", viewport=size)
    page = anna.page

    await page.get_by_role("button", name="Try it with sample data").click()
    await expect(page.get_by_role("button", name="Remove the sample data")).to_be_enabled(timeout=60_000)
    await page.get_by_role("link", name="Grace Hopper").click()
    await expect(page.get_by_role("log").get_by_text("Booked: Tuesday, 8:15.")).to_be_visible()
    await expect(page.get_by_role("log").get_by_text("Yes please!")).to_be_visible()
    await expect(page.get_by_role("log").get_by_text("Delivered")).to_have_count(3)
    if os.environ.get("MAKE_PICTURE"):
        await page.screenshot(path=PICTURE)
    assert await anna.violations() == []
    await anna.open("campaigns")
    await expect(page.get_by_text("Running", exact=True)).to_be_visible()
    await anna.open("calendar")
    await expect(page.get_by_role("button", name="Call the lab about the crown")).to_be_visible()

    await page.get_by_role("button", name="Remove the sample data").click()
    await expect(page.get_by_text("The sample data is removed.")).to_be_visible(timeout=60_000)

    await anna.open("contacts")
    await page.reload()
    await expect(page.get_by_text("No contacts.")).to_be_visible()
    assert anna.errors == []
    await anna.context.close()
