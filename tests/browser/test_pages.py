"""The console's other pages: contacts, campaigns, calendar, files, settings. Each is accessible in both themes."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, expect

from switchboard.testing.stack import RunningStack

from .person import Person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("browser"),
]

HOSTILE = '<img src=x onerror="document.title=1"> \u202egnirts'
PAGES = ("contacts", "contacts/new", "campaigns", "campaigns/new", "calendar", "files", "notifications", "settings")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_each_page_is_accessible_and_fits_a_phone(chromium: Browser, stack: RunningStack, theme: str) -> None:
    anna = await Person.signed_up(chromium, stack.gateways[0], color_scheme=theme)
    await anna.ask("POST", "/contacts", {"phone": "+14155550132", "name": HOSTILE, "tags": [HOSTILE]})
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    await anna.ask("POST", "/reminders", {"lead_id": "1", "note": HOSTILE, "remind_at": soon})

    for page in PAGES:
        await anna.open(page)
        await expect(anna.page.get_by_text("One moment…")).to_have_count(0)
        assert await anna.violations() == [], page
        await anna.page.set_viewport_size({"width": 360, "height": 740})
        assert await anna.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
        await anna.page.set_viewport_size({"width": 1280, "height": 800})
    assert anna.errors == []
    await anna.context.close()


async def test_a_file_of_contacts_is_previewed_imported_and_exported(anna: Person) -> None:
    page = anna.page
    name = HOSTILE.replace('"', '""')
    csv = f'Mobile,Full name,Shoe size\r\n+14155550132,"{name}",42\r\nnonsense,=1+1,40\r\n'
    await anna.open("contacts")

    await page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("CSV or vCard file").set_input_files(
        {"name": "contacts.csv", "mimeType": "text/csv", "buffer": csv.encode()}
    )
    await expect(dialog.get_by_label("Shoe size")).to_have_value("")
    await expect(dialog.get_by_label("Mobile")).to_have_value("phone")
    await dialog.get_by_role("button", name="Import").click()
    await expect(dialog.get_by_text("1 created, 0 updated, 0 unchanged, 1 rejected.")).to_be_visible()
    await expect(dialog.get_by_text("Line 3:")).to_be_visible()
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("link", name="<img src=x")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
    exported = (await (await download.value).path()).read_text("utf-8-sig")
    assert exported.splitlines()[0] == "phone,name,tags,owner_id,opted_out"
    assert "+14155550132" in exported


async def test_a_campaign_is_composed_paused_resumed_and_finished(anna: Person) -> None:
    page = anna.page
    for number in range(8):
        assert await anna.ask("POST", "/contacts", {"phone": f"+1415555013{number}", "tags": ["recall"]}) == 201
    await anna.open("campaigns/new")

    await page.get_by_label("Name", exact=True).fill("Autumn")
    await page.get_by_label("Message", exact=True).fill("Hello {{nmae}}")
    await expect(page.get_by_text("Unknown fields: nmae.")).to_be_visible()
    await page.get_by_label("Message", exact=True).fill("Hello {{name}}")
    await page.get_by_label("Contacts with a tag").check()
    await page.get_by_label("Tags").fill("recall")
    await expect(page.get_by_text("Reaches 8 contacts")).to_be_visible()
    await page.get_by_label("Messages a second").fill("2")
    await page.get_by_role("button", name="Start").click()
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("main").get_by_text("Paused", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Resume").click()

    await expect(page.get_by_role("main").get_by_text("Completed", exact=True)).to_be_visible(timeout=30_000)
    await expect(
        page.get_by_role("listitem").filter(has_text="+1415555013").filter(has_text="Delivered")
    ).to_have_count(8)


async def test_a_reminder_in_the_past_is_refused_and_one_that_fires_is_heard(anna: Person) -> None:
    page = anna.page
    await anna.open("calendar")

    await page.get_by_role("button", name="New reminder").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Note").fill("Call the lab")
    await dialog.get_by_label("Lead").fill("7")
    await dialog.get_by_label("Time").fill("2020-01-01T10:00")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("lies in the past", exact=True)).to_be_visible()
    await page.keyboard.press("Escape")
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    assert await anna.ask("POST", "/reminders", {"lead_id": "7", "note": "Call the lab", "remind_at": soon}) == 201

    await expect(page.get_by_role("status").get_by_text("Call the lab")).to_be_visible()
    await page.get_by_role("link", name="Notifications").click()
    await page.get_by_role("button", name="Mark as read").click()
    await expect(page.get_by_role("button", name="Mark as read")).to_have_count(0)


async def test_a_file_is_uploaded_and_deleted_by_name(anna: Person) -> None:
    page = anna.page
    await anna.open("files")

    await page.get_by_label("Choose files").set_input_files(
        {"name": "<b>estimate.txt", "mimeType": "text/plain", "buffer": b"hello"}
    )
    await expect(page.get_by_role("link", name="<b>estimate.txt")).to_be_visible()
    await page.get_by_role("button", name="Delete <b>estimate.txt").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    await expect(page.get_by_text("No files yet.")).to_be_visible()


async def test_a_member_is_invited_and_joins_with_the_code(chromium: Browser, anna: Person) -> None:
    page = anna.page
    await anna.open("settings")
    bob = await Person.at(chromium, anna.gateway)

    await page.get_by_label("Name", exact=True).fill("Bob")
    await page.get_by_label("Email").fill(bob.email)
    await page.get_by_role("button", name="Invite").click()
    code = await page.locator("code").inner_text()
    await bob.open("invitation")
    await bob.page.get_by_label("Invitation code").fill(code)
    await bob.page.get_by_label("Password").fill("correct horse battery")
    await bob.page.get_by_role("button", name="Join").click()

    await expect(bob.page.get_by_role("navigation", name="Main")).to_be_visible()
    assert code not in await bob.stored()
    await bob.context.close()
