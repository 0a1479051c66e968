"""The inbox in the console: live messages, notes, hostile text, keyboard."""

import pytest
from playwright.async_api import Browser, expect

from switchboard.testing.stack import RunningStack

from .person import Person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("browser"),
]

PHONE = "+14155550132"
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> \u202egnirts =HYPERLINK(1) " + "long" * 2000


async def test_a_message_is_seen_in_another_browser_at_the_other_gateway(
    chromium: Browser, stack: RunningStack, anna: Person
) -> None:
    other = await Person.at(chromium, stack.gateways[-1], anna.email)
    await other.sign_in()
    assert await anna.ask("POST", f"/conversations/{PHONE}/messages", {"body": "first"}) == 201
    await other.page.get_by_role("link", name="first").click()
    await anna.open(f"inbox/{PHONE}")

    await anna.page.get_by_role("textbox", name="Write a message").fill("Hello")
    await anna.page.keyboard.press("Enter")

    for person in (anna, other):
        messages = person.page.get_by_role("log").get_by_role("listitem")
        await expect(messages.get_by_text("Hello", exact=True)).to_have_count(1)
        await expect(messages.filter(has_text="Hello").get_by_text("Delivered")).to_be_visible()
    await expect(other.page.get_by_role("link", name="Hello")).to_be_visible()
    assert other.errors == []


async def test_hostile_text_is_shown_as_text(anna: Person) -> None:
    page = anna.page
    assert await anna.ask("POST", "/contacts", {"phone": PHONE, "name": HOSTILE[:190]}) == 201
    assert await anna.ask("POST", f"/conversations/{PHONE}/messages", {"body": HOSTILE[:1500]}) == 201

    await anna.open(f"inbox/{PHONE}")

    await expect(page.get_by_role("log").get_by_text("<img src=x")).to_be_visible()
    await expect(page.get_by_role("heading", name="<img src=x")).to_be_visible()
    assert await page.title() == "Inbox · Switchboard"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_note_is_written_by_keyboard_and_marked(anna: Person) -> None:
    page = anna.page
    assert await anna.ask("POST", f"/conversations/{PHONE}/messages", {"body": "first"}) == 201
    await expect(page.get_by_role("link", name="first")).to_be_visible()

    await page.get_by_role("searchbox").focus()
    for _ in range(3):  # the button, the list, its first row
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.get_by_label("Send as").select_option("note")
    await page.get_by_role("textbox", name="Write a note").press_sequentially("call back")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("log").get_by_role("listitem").filter(has_text="Note: ")).to_contain_text("call back")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_inbox_is_accessible(chromium: Browser, stack: RunningStack, theme: str) -> None:
    anna = await Person.signed_up(chromium, stack.gateways[0], color_scheme=theme)
    await anna.open("inbox")
    await expect(anna.page.get_by_text("No conversations yet.")).to_be_visible()
    assert await anna.violations() == []

    assert await anna.ask("POST", f"/conversations/{PHONE}/messages", {"body": "first"}) == 201
    await anna.open(f"inbox/{PHONE}")
    await expect(anna.page.get_by_role("log").get_by_text("Delivered")).to_be_visible()

    assert await anna.violations() == []
    assert anna.errors == []
