"""Ours, as `make up` starts it, in a directory of its own."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psutil

from bench.end_to_end.generator import BUILD, Account, phone_of
from switchboard.local import orphans
from switchboard.local.health import wait_until_healthy
from switchboard.local.stack import Stack
from switchboard.local.stack_directory import StackDirectory

# One address signs up and writes for all users here: its limits would be measured instead.
LIMITS = {"RATE_LIMIT_USER": "100000", "RATE_LIMIT_ADDRESS": "100000", "SIGN_UPS_BY_ADDRESS": "100000"}
LENGTHEN = """
insert into messages (conversation_id, seq, id, tenant_id, direction, channel, body, attachments, status, created_at)
select id, n, gen_random_uuid(), tenant_id, 'out', 'note', repeat('x', 200), array[]::uuid[], 'received', now()
from conversations c, generate_series(c.last_seq + 1, {length}) n where contact_phone = '{phone}';
update conversations set last_seq = {length} where contact_phone = '{phone}' and last_seq < {length};
analyze messages;
"""
UNSETTLED = "select count(*) from deliveries where status in ('pending', 'sending', 'sent')"
SETTLED_WITHIN = 120.0
HEALTHY_WITHIN = 120.0
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class RunningOurs:
    stack: Stack
    tokens: list[str]
    kinds = ("note", "sms")

    def accounts(self, kind: str) -> list[Account]:
        urls = [urlsplit(url) for url in self.stack.gateways]
        return [
            _account(urls[n % len(urls)].port or 0, urls[-1 - n % len(urls)].port or 0, token, kind)
            for n, token in enumerate(self.tokens)
        ]

    def processes(self) -> Iterator[psutil.Process]:
        return orphans.processes_of(self.stack.stack_dir)

    def settle(self) -> None:
        until = time.monotonic() + SETTLED_WITHIN
        while self._psql(UNSETTLED) != "0":
            if time.monotonic() > until:
                raise RuntimeError(f"messages are still being sent after {SETTLED_WITHIN:.0f} s")
            time.sleep(0.5)

    def lengthen(self, conversation: int, length: int) -> None:
        self._psql(LENGTHEN.format(phone=phone_of(conversation), length=length))

    def _psql(self, script: str) -> str:
        url = self.stack.servers.postgres.url.rpartition("/")[0] + "/switchboard_conversations"
        psql = ["psql", "-qAt", "-v", "ON_ERROR_STOP=1", url, "-c", script]
        return subprocess.run(psql, check=True, capture_output=True, text=True).stdout.strip()


def _account(port: int, socket_port: int, token: str, kind: str) -> Account:
    """A user who writes through one gateway and listens at the other."""
    return Account(
        host="127.0.0.1",
        port=port,
        prefix="/api/v1/conversations/",
        suffix="/messages",
        headers=[f"Authorization: Bearer {token}"],
        body_before=f'{{"channel":"{kind}","body":"',
        body_after='"}',
        socket_port=socket_port,
        socket_path="/socket.io/?EIO=4&transport=websocket",
        hello=f'40{{"token":"{token}"}}',
    )


@dataclass(frozen=True)
class Ours:
    """`stack_class`: of another kind, to change its processes."""

    directory: Path = BUILD / "ours"
    stack_class: type[Stack] = Stack
    name: str = "ours"

    @contextmanager
    def running(self, users: int, tenants: int) -> Iterator[RunningOurs]:
        stack = self.stack_class.at(StackDirectory(self.directory), LIMITS)
        orphans.end(stack.stack_dir)
        try:
            stack.up(lambda _: None)
            wait_until_healthy(stack, within=HEALTHY_WITHIN)
            yield RunningOurs(stack, self._tokens(stack.gateways[0], users, tenants))
        finally:
            stack.down()
            orphans.end(stack.stack_dir)

    def _tokens(self, url: str, users: int, tenants: int) -> list[str]:
        """Sign the users up, once: their sessions outlive a restart."""
        kept = self.directory / f"tokens-{users}-{tenants}.json"
        if not kept.exists():
            owners = [_sign_up(url) for _ in range(tenants)]
            kept.write_text(json.dumps([_user_of(url, owners, n) for n in range(users)]))
        tokens: list[str] = json.loads(kept.read_text())
        return tokens


def _sign_up(url: str) -> str:
    name = uuid4().hex
    body = {"tenant_name": name, "name": name, "email": f"{name}@example.com", "password": PASSWORD}
    return str(_post(f"{url}/api/v1/auth/signup", body)["session"]["token"])


def _user_of(url: str, owners: list[str], number: int) -> str:
    """The owner of a tenant, or, where users outnumber tenants, another one whom the owner invites."""
    if number < len(owners):
        return owners[number]
    name = uuid4().hex
    invited = _post(
        f"{url}/api/v1/users",
        {"email": f"{name}@example.com", "name": name, "role": "agent"},
        owners[number % len(owners)],
    )
    answer = _post(f"{url}/api/v1/auth/invites/accept", {"token": invited["invite_token"], "password": PASSWORD})
    return str(answer["session"]["token"])


def _post(url: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        result: dict[str, Any] = json.load(answer)
    return result
