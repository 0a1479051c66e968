"""A tenant with an owner and an agent, at two gateways."""

from dataclasses import dataclass
from typing import Any

from .deployment import API, EMAIL, PASSWORD, Deployment

AGENT_PASSWORD = "battery staple"


@dataclass
class TenantClient:
    """`first` and `second`: the API of each gateway. `owner` and `agent`: tokens of their sessions."""

    deployment: Deployment
    first: str
    second: str
    owner: str = ""
    agent: str = ""
    agent_id: str = ""

    async def request(self, method: str, url: str, token: str | None = None, **body: Any) -> tuple[int, Any]:
        """Status and JSON of a request; `body`: the fields of its JSON."""
        return await self.deployment.request(method, url, token, body or None)

    async def status(self, method: str, url: str, token: str, **body: Any) -> int:
        return (await self.request(method, url, token, **body))[0]

    async def invite(self, email: str, role: str = "agent") -> tuple[int, Any]:
        return await self.request("POST", f"{self.first}/users", self.owner, email=email, name="Bob", role=role)

    async def accept(self, invite_token: str) -> tuple[int, Any]:
        body = {"token": invite_token, "password": AGENT_PASSWORD}
        return await self.deployment.request("POST", f"{self.second}/auth/invites/accept", body=body)

    async def sign_up(self, email: str) -> Any:
        """The owner of another tenant."""
        return await self.deployment.sign_up(self.first.removesuffix(API), email)

    async def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> str:
        return await self.deployment.log_in(self.first.removesuffix(API), email, password)


async def open_tenant(deployment: Deployment) -> TenantClient:
    gateways = await deployment.gateways()
    tenant = TenantClient(deployment, *(f"{gateway}{API}" for gateway in gateways))
    tenant.owner = (await deployment.sign_up(gateways[0]))["session"]["token"]
    _, invited = await tenant.invite("bob@example.com")
    _, accepted = await tenant.accept(invited["invite_token"])
    tenant.agent, tenant.agent_id = accepted["session"]["token"], accepted["user"]["id"]
    return tenant
