"""What a person at the console notices of failures: nothing is lost or doubled, and what happens is said."""

import asyncio

import pytest
from playwright.async_api import Browser, Route, expect

from switchboard.testing.stack import RunningStack

from .person import Person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("browser"),
]

PHONE = "+14155550132"
SERVICES = ("auth", "conversations", "realtime", "scheduler", "files", "api-gateway")


async def test_a_message_without_an_answer_is_sent_again_and_stored_once(anna: Person) -> None:
    page = anna.page
    answered = 0

    async def lose_the_first_answers(route: Route) -> None:
        nonlocal answered
        answered += 1
        if answered > 4:
            await route.continue_()
            return
        await route.fetch()
        await route.abort()

    await anna.open(f"inbox/{PHONE}")
    await page.route("**/api/v1/conversations/*/messages", lose_the_first_answers)
    for text in ("one", "two"):
        await page.get_by_role("textbox", name="Write a message").fill(text)
        await page.keyboard.press("Enter")

    messages = page.get_by_role("log").locator(".message")
    await expect(messages.filter(has_text="Delivered")).to_have_count(2)
    assert [await messages.nth(place).locator(".body").inner_text() for place in range(2)] == ["one", "two"]
    await expect(messages).to_have_count(2)


async def test_a_refused_message_comes_back_with_the_reason(anna: Person) -> None:
    page = anna.page
    assert await anna.ask("POST", "/contacts", {"phone": PHONE, "opted_out": True}) == 201
    too_long = "=1+1" * 5000

    await anna.open(f"inbox/{PHONE}")
    text = page.get_by_role("textbox", name="Write a message")
    await text.fill(too_long)
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("Your text is back in the field.")).to_be_visible()
    await expect(text).to_have_value(too_long)
    await expect(page.get_by_role("log").locator(".message")).to_have_count(0)

    await text.fill("=1+1")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("log").get_by_text("the contact has opted out")).to_be_visible()


@pytest.mark.slow
async def test_50_messages_while_every_process_is_killed_in_turn(chromium: Browser, stack: RunningStack) -> None:
    anna = await Person.signed_up(chromium, stack.gateways[0])
    other = await Person.at(chromium, stack.gateways[-1], anna.email)
    await other.sign_in()
    wanted = [f"message {number}" for number in range(50)]
    for person in (anna, other):
        await person.open(f"inbox/{PHONE}")
        await person.page.evaluate("window.sameDocument = true")
    await other.page.get_by_role("textbox", name="Write a message").fill("a draft")

    async def kill_all() -> None:
        for service in SERVICES:
            for row in stack.instances(service):
                stack.kill(row.instance)
                await asyncio.sleep(4)

    killing = asyncio.create_task(kill_all())
    for text in wanted:
        await anna.page.get_by_role("textbox", name="Write a message").fill(text)
        await anna.page.keyboard.press("Enter")
        await asyncio.sleep(0.9)
    await killing

    for person in (anna, other):
        messages = person.page.get_by_role("log").locator(".message")
        await expect(messages.filter(has_text="Delivered")).to_have_count(50, timeout=90_000)
        assert await messages.locator(".body").all_text_contents() == wanted
        assert await person.page.evaluate("window.sameDocument")
        await expect(person.page.get_by_text("The connection is lost")).to_have_count(0)
    await expect(other.page.get_by_role("textbox", name="Write a message")).to_have_value("a draft")
