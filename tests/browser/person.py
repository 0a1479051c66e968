"""A person at the console, in a browser context that has a session."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

PASSWORD = "correct horse battery staple"
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NOT_OURS = ("responded with a status of 4", "net::ERR_NETWORK_CHANGED", "net::ERR_FAILED")
"""Chromium logs requests that are refused or that a test aborts, and aborts some when a network interface comes."""
expect.set_options(timeout=15_000)


@dataclass
class Person:
    """`errors`: what the page logged as an error, and exceptions in it."""

    context: BrowserContext
    page: Page
    gateway: str
    email: str
    errors: list[str] = field(default_factory=list)

    @classmethod
    async def at(cls, browser: Browser, gateway: str, email: str = "", **options: Any) -> "Person":
        """Somebody at the sign-in page."""
        context = await browser.new_context(base_url=gateway, **options)
        page = await context.new_page()
        person = cls(context, page, gateway, email or f"{uuid4().hex}@example.com")
        page.on("console", person._note)
        page.on("pageerror", lambda error: person.errors.append(str(error)))
        await page.goto("/")
        return person

    @classmethod
    async def signed_up(cls, browser: Browser, gateway: str, tenant: str = "Acme", **options: Any) -> "Person":
        """The owner of a new tenant, at the inbox."""
        person = await cls.at(browser, gateway, **options)
        body = {"tenant_name": tenant, "name": "Anna", "email": person.email, "password": PASSWORD}
        assert await person.ask("POST", "/auth/signup", body) == 201
        await person.page.reload()
        await expect(person.page.get_by_role("navigation", name="Main")).to_be_visible()
        return person

    async def sign_in(self) -> None:
        await self.page.get_by_label("Email").fill(self.email)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("navigation", name="Main")).to_be_visible()

    async def ask(self, method: str, path: str, body: Any = None) -> int:
        """Send a request of the API with the session of this browser. Returns the status."""
        headers = {"Origin": self.gateway, "Idempotency-Key": str(uuid4())}
        answer = await self.context.request.fetch(f"/api/v1{path}", method=method, data=body, headers=headers)
        return answer.status

    async def open(self, route: str) -> None:
        await self.page.goto(f"/#/{route}")

    async def violations(self) -> list[str]:
        """What axe-core finds wrong with the page as it is: a line for each element, three at most for a rule."""
        await self.page.wait_for_timeout(50)  # of styles in transition
        await self.page.evaluate(f"(() => {{ {AXE} }})()")  # not a script element: the policy allows none
        found = await self.page.evaluate("rules => axe.run({runOnly: rules}).then(({violations}) => violations)", RULES)
        return [
            f"{violation['id']}: {node['html'][:160]} {node['failureSummary'][:240]}"
            for violation in found
            for node in violation["nodes"][:3]
        ]

    async def stored(self) -> str:
        """All that scripts of the page can keep or read: storages, cookies, names of databases, the URL."""
        return str(
            await self.page.evaluate(
                "async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href,"
                " (await indexedDB.databases()).map(({name}) => name)])"
            )
        )

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in NOT_OURS):
            self.errors.append(f"{message.text} {message.location.get('url', '')}")
