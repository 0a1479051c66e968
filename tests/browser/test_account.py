"""Signing up, in and out in the console."""

import pytest
from playwright.async_api import Browser, expect

from switchboard.testing.stack import RunningStack

from .person import PASSWORD, Person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("browser"),
]


async def test_a_newcomer_signs_up_out_and_in_again(chromium: Browser, stack: RunningStack) -> None:
    anna = await Person.at(chromium, stack.gateways[0])
    page = anna.page

    await page.get_by_role("link", name="Create an account").click()
    await page.get_by_label("Company").fill("Acme <b>& Söhne</b>")
    await page.get_by_label("Your name").fill("<img src=x onerror=alert(1)>")
    await page.get_by_label("Email").fill(anna.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_text("Acme <b>& Söhne</b>")).to_be_visible()
    await expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    assert (await anna.stored()).count(":") <= 2  # the scheme and the port of the URL

    await page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    await anna.sign_in()

    await expect(page).to_have_title("Inbox · Switchboard")
    assert anna.errors == []


async def test_a_refused_field_says_why_and_keeps_what_was_typed(chromium: Browser, stack: RunningStack) -> None:
    anna = await Person.at(chromium, stack.gateways[0])
    page = anna.page

    await page.get_by_role("link", name="Create an account").click()
    await page.get_by_label("Company").fill("Acme")
    await page.get_by_label("Your name").fill("Anna")
    await page.get_by_label("Email").fill(anna.email)
    await page.get_by_label("Password").fill("short")
    await page.get_by_role("button", name="Create account").click()

    password = page.get_by_label("Password")
    await expect(password).to_have_attribute("aria-invalid", "true")
    await expect(password).to_be_focused()
    await expect(page.get_by_label("Company")).to_have_value("Acme")


async def test_a_session_that_ends_elsewhere_says_so_and_keeps_the_draft(anna: Person) -> None:
    page = anna.page
    await anna.open("inbox/%2B14155550132")
    await page.get_by_role("textbox", name="Write a message").fill("not sent yet")

    assert await anna.ask("POST", "/auth/logout") == 204
    await expect(page.get_by_text("You signed out in another window.")).to_be_visible()
    await anna.sign_in()

    await expect(page.get_by_role("textbox", name="Write a message")).to_have_value("not sent yet")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_pages_before_signing_in_are_accessible(chromium: Browser, stack: RunningStack, theme: str) -> None:
    anna = await Person.at(chromium, stack.gateways[0], color_scheme=theme)

    for route in ("", "sign-up", "invitation"):
        await anna.open(route)
        await expect(anna.page.get_by_role("heading", level=1)).to_be_visible()
        assert await anna.violations() == []
