"""Backup and restore: after all data was deleted, sessions, files, messages and reminders go on."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from switchboard.local.health import wait_until_healthy
from switchboard.local.private_stacks import HEALTHY_WITHIN, stack_for_tests, throwaway_stack_dir
from switchboard.testing import becomes, until
from switchboard.testing.servers import run_directory
from switchboard.testing.stack import RunningStack

from .client import User, listening, signed_up
from .operator_commands import operate, try_to_operate
from .times import in_seconds

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("own-stack"), pytest.mark.timeout(400)]

PHONE = "+14155550161"
DATA = ("postgres", "rabbitmq", "redis", "store")


class OwnStack:
    """A stack of this test alone, whose data may be deleted."""

    def __init__(self, directory: Path) -> None:
        self.running = RunningStack([], directory)

    def up(self, *, servers_only: bool = False) -> RunningStack:
        assert self.running.stack_dir is not None
        stack = stack_for_tests(self.running.place())
        stack.up(lambda _: None, servers_only=servers_only)
        if not servers_only:
            wait_until_healthy(stack, within=HEALTHY_WITHIN)
        self.running = RunningStack(stack.gateways, self.running.stack_dir)
        return self.running

    def lose_everything(self) -> None:
        """Stop all processes, and delete data, keys and passwords."""
        place = self.running.place()
        stack_for_tests(place).down()
        for name in ("data", "secrets", "env", "conf"):
            shutil.rmtree(place.root / name, ignore_errors=True)


@pytest.fixture
def own_stack() -> Iterator[OwnStack]:
    with throwaway_stack_dir(run_directory() / "backup-stack") as stack_dir:
        own = OwnStack(stack_dir.root)
        own.up()
        yield own


@pytest.fixture
async def owner(own_stack: OwnStack) -> AsyncIterator[User]:
    async with signed_up(own_stack.running.gateways) as user:
        yield user


async def test_everything_goes_on_after_a_restore(own_stack: OwnStack, owner: User, tmp_path: Path) -> None:
    stack, backup = own_stack.running, tmp_path / "backup"
    await owner.say(PHONE, "before the backup")
    file = await owner.upload("contract.txt", b"signed")
    channel = {"provider": "sandbox", "number": "+15005550007", "credentials": {"secret": "shh"}}
    assert (await owner.ask("POST", "/channels", channel)).status == 201
    await owner.make("/reminders", {"lead_id": "42", "note": "call back", "remind_at": in_seconds(25)})
    async with listening(owner, 1, ["websocket"]) as listener:
        writing = asyncio.create_task(keep_writing(owner))
        await operate(stack, "backup", backup)
        answered = await writing  # requests and events go on

        def heard() -> list[str]:
            return [event["message"]["body"] for event in listener.of("conversation.message_appended")]

        await becomes(heard, answered, within=30)
    await owner.say(PHONE, "after the backup")

    await asyncio.to_thread(own_stack.lose_everything)
    await asyncio.to_thread(own_stack.up, servers_only=True)
    await operate(stack, "restore", backup)
    refused = await try_to_operate(stack, "restore", backup)
    assert "--overwrite replaces it" in refused
    await asyncio.to_thread(own_stack.up)

    owner.gateways[:] = own_stack.running.gateways
    bodies = [message["body"] for message in await owner.messages(PHONE)]
    assert bodies[0] == "before the backup"
    assert bodies[1:] == answered[: len(bodies) - 1]  # the state of one moment: none missing, none later
    assert "after the backup" not in bodies
    shown = (await owner.ask("GET", f"/files/{file['id']}")).body
    async with owner.http.get(shown["download_url"]) as answer:
        assert (answer.status, await answer.read()) == (200, b"signed")
    assert len((await owner.ask("GET", "/channels")).body["items"]) == 1

    async def reminded() -> bool:
        answer = await owner.ask("GET", "/notifications")
        return [one["title"] for one in answer.body["items"] if one["kind"] == "reminder"] == ["Reminder: 42 (late)"]

    await until(reminded, within=60)
    await owner.say(PHONE, "goes on")
    assert (await owner.messages(PHONE))[-1]["seq"] == len(bodies) + 1
    assert "stop all services first" in await try_to_operate(stack, "restore", backup, "--overwrite")


async def keep_writing(owner: User) -> list[str]:
    """Write while the backup is taken, and return what was accepted, in order."""
    written = []
    for number in range(40):
        await owner.say(PHONE, f"meanwhile {number}")
        written.append(f"meanwhile {number}")
        await asyncio.sleep(0.25)
    return written


async def test_a_damaged_backup_is_refused_before_anything_is_touched(stack: RunningStack, tmp_path: Path) -> None:
    whole = tmp_path / "backup"
    await operate(stack, "backup", whole)
    copies = {name: shutil.copytree(whole, tmp_path / name) for name in ("cut short", "damaged", "incomplete")}
    (copies["cut short"] / "manifest.json").unlink()
    with (copies["damaged"] / "databases" / "auth" / "users.gz").open("ab") as file:
        file.write(b"x")
    (copies["incomplete"] / "databases" / "auth" / "users.gz").unlink()

    reasons = {name: await try_to_operate(stack, "restore", copy, "--overwrite") for name, copy in copies.items()}

    assert "has no manifest.json" in reasons["cut short"]
    assert "users.gz is damaged" in reasons["damaged"]
    assert "users.gz is missing" in reasons["incomplete"]
    assert all(row.healthy for row in stack.instances())


async def test_a_backup_is_private_and_names_its_parts(stack: RunningStack, anna: User, tmp_path: Path) -> None:
    await anna.upload("note.txt", b"hello")
    backup = tmp_path / "new" / "backup"

    await operate(stack, "backup", backup)

    manifest = json.loads((backup / "manifest.json").read_text())
    assert set(manifest["databases"]) == {"auth", "conversations", "files", "scheduler"}
    assert set(manifest["keys"]) == {
        "api-gateway.IDENTITY_KEY_FILE",
        "api-gateway.IDENTITY_PUBLIC_KEY_FILE",
        "auth.IDENTITY_KEY_FILE",
        "conversations.ENCRYPTION_KEY_FILE",
    }
    assert manifest["objects"] >= 1
    assert backup.stat().st_mode & 0o077 == 0
    assert "is not empty" in await try_to_operate(stack, "backup", backup)
