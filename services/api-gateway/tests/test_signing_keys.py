"""Rotation of the keys that sign identities."""

import asyncio
import json
import os
import subprocess
import sys
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

from aiohttp import web

from switchboard.testing.waiting import until


async def test_a_rotated_key_signs_at_once_and_old_ones_stay_until_retired(stack: Any, keys: Path) -> None:
    seen: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("X-Switchboard-Identity", ""))
        return web.Response()

    (keys / "public.json").rename(keys / "identity-public.json")
    (keys / "public.json").symlink_to(keys / "identity-public.json")
    auth = await stack.auth()
    gateway = await stack.gateway(auth, files_urls=(await stack.service(note),))
    token = (await stack.sign_up(gateway))["session"]["token"]

    async def kid() -> str:
        await stack.status("GET", f"{gateway}/api/v1/files", token)
        return str(json.loads(_decoded(seen[-1].split(".")[0]))["kid"])

    old = await kid()
    await asyncio.to_thread(_identity_keys, keys, "rotate", "--pause", "0.5")

    async def is_new() -> bool:
        return await kid() != old

    await until(is_new)
    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", token) == 200
    assert await _published(stack, auth) == {old, await kid()}
    await asyncio.to_thread(_identity_keys, keys, "retire")
    assert await _published(stack, auth) == {await kid()}


def _identity_keys(keys: Path, command: str, *options: str) -> None:
    code = "from api_gateway.commands import app; app()"
    environment = {**os.environ, "IDENTITY_KEY_FILE": str(keys / "private.json")}
    command_line = [sys.executable, "-c", code, "identity-keys", command, *options]
    subprocess.run(command_line, env=environment, check=True)


async def _published(stack: Any, auth: str) -> set[str]:
    async with stack.client.get(f"{auth}/internal/identity-keys") as answer:
        return {key["kid"] for key in (await answer.json(content_type=None))["keys"]}


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
