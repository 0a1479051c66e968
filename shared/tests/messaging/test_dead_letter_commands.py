"""The operator commands on dead letters."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import aio_pika
import orjson
import pytest
from typer.testing import CliRunner, Result

from switchboard.contracts.auth import TrialSweep
from switchboard.contracts.consumers import SUBSCRIPTIONS
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.routing import COMMANDS
from switchboard.messaging.broker.topology import declare_topology
from switchboard.messaging.operators.commands import app

QUEUE = "auth.commands"


async def command(amqp_url: str, *words: str) -> Result:
    """`bin/switchboard dead-letters WORDS`, within this process."""
    runner = CliRunner(env={"AMQP_URL": amqp_url, "COLUMNS": "200"})
    return await asyncio.to_thread(runner.invoke, app, ["dead-letters", *words])


def sweep(age: timedelta = timedelta()) -> tuple[UUID, bytes]:
    """The id and the body of a command message of that age."""
    envelope = Envelope(uuid4(), "scheduler", TrialSweep.type, TrialSweep().subject, datetime.now(UTC) - age, {})
    return envelope.id, envelope.encode()


async def dead_letter(amqp_url: str, *bodies: bytes) -> None:
    """Let the broker dead-letter messages: a consumer rejects them."""
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        await declare_topology(channel, SUBSCRIPTIONS)
        commands = await channel.get_exchange(COMMANDS)
        queue = await channel.get_queue(QUEUE)
        for body in bodies:
            await commands.publish(aio_pika.Message(body, message_id=uuid4().hex), TrialSweep.type)
            message = await queue.get(timeout=10)
            assert message is not None
            await message.reject()
        while (await waiting(channel, f"{QUEUE}.dead")) < len(bodies):
            await asyncio.sleep(0.01)


async def waiting(channel: aio_pika.abc.AbstractChannel, queue: str) -> int:
    return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0


async def counts(amqp_url: str) -> tuple[int, int]:
    """The number of messages in the subscription's queue, and of its dead letters."""
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        return await waiting(channel, QUEUE), await waiting(channel, f"{QUEUE}.dead")


async def test_dead_letters_are_listed_shown_and_discarded_by_their_ids(amqp_url: str) -> None:
    event_id, body = sweep()
    await dead_letter(amqp_url, body, b"{not json")

    listed = await command(amqp_url, "list")
    shown = orjson.loads((await command(amqp_url, "show", QUEUE, "--json")).stdout)
    discarded = await command(amqp_url, "discard", QUEUE, "--id", shown[1]["id"])

    assert [line.split()[-2] for line in listed.stdout.splitlines() if QUEUE in line] == ["2"]
    assert [(letter["subscription"], letter["reason"]) for letter in shown] == [(QUEUE, "broker: rejected")] * 2
    assert orjson.loads(shown[0]["body"])["id"] == str(event_id)
    assert shown[1]["body"] == "{not json"
    assert (discarded.exit_code, discarded.stdout) == (0, "1 discarded\n")
    assert await counts(amqp_url) == (0, 1)


async def test_a_message_older_than_the_inbox_is_replayed_only_by_force(amqp_url: str) -> None:
    await dead_letter(amqp_url, sweep(age=timedelta(days=26))[1])

    refused = await command(amqp_url, "replay", QUEUE, "--all")
    assert await counts(amqp_url) == (0, 1)
    forced = await command(amqp_url, "replay", QUEUE, "--all", "--force")

    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert (forced.exit_code, forced.stdout) == (0, "1 replayed\n")
    assert await counts(amqp_url) == (1, 0)


async def test_a_message_of_a_publisher_without_headers_is_found_by_any_id_shown(amqp_url: str) -> None:
    event_id, body = sweep()
    await dead_letter(amqp_url, body, b"{not json")

    first, second = orjson.loads((await command(amqp_url, "show", "--json")).stdout)

    assert (first["event_id"], first["type"], second["event_id"]) == (str(event_id), TrialSweep.type, None)
    for shown in (first["event_id"], second["id"]):
        assert (await command(amqp_url, "replay", QUEUE, "--id", shown)).stdout == "1 replayed\n"
    assert await counts(amqp_url) == (2, 0)


async def test_an_id_that_is_not_found_is_said_with_where_it_is(amqp_url: str) -> None:
    event_id, body = sweep()
    await dead_letter(amqp_url, body)

    unknown = await command(amqp_url, "replay", QUEUE, "--id", str(UUID(int=7)))
    elsewhere = await command(amqp_url, "discard", "files.commands", "--id", str(event_id))

    assert (unknown.exit_code, unknown.stdout) == (1, "0 replayed\n")
    assert f"{QUEUE} has no dead letter with the id {UUID(int=7)}" in unknown.stderr
    assert (elsewhere.exit_code, elsewhere.stderr.count(f"there is one in {QUEUE}")) == (1, 1)
    assert await counts(amqp_url) == (0, 1)


async def test_dead_letters_are_shown_as_a_table_and_as_json(amqp_url: str) -> None:
    event_id, body = sweep()
    await dead_letter(amqp_url, body)

    table = (await command(amqp_url, "show")).stdout
    counted = orjson.loads((await command(amqp_url, "list", "--json")).stdout)

    assert "DeadLetter(" not in table
    assert all(shown in table for shown in (QUEUE, str(event_id)[:8], TrialSweep.type))
    assert (counted[QUEUE], sum(counted.values())) == (1, 1)


async def test_a_younger_message_is_replayed_without_force(amqp_url: str) -> None:
    await dead_letter(amqp_url, sweep(age=timedelta(days=24))[1])

    assert (await command(amqp_url, "replay", QUEUE, "--all")).stdout == "1 replayed\n"

    assert await counts(amqp_url) == (1, 0)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["replay", QUEUE], "give --id or --all"),
        (["discard", "other.commands", "--all"], "no subscription 'other.commands'"),
    ],
)
async def test_wrong_arguments_are_refused_with_a_reason(amqp_url: str, words: list[str], reason: str) -> None:
    refused = await command(amqp_url, *words)

    assert refused.exit_code == 2
    assert reason in refused.stderr


def test_a_missing_setting_or_broker_is_reported_in_one_line() -> None:
    unset = run_without_stack(AMQP_URL="")
    unreachable = run_without_stack(AMQP_URL="amqp://guest:guest@127.0.0.1:1/")

    assert (unset.returncode, unset.stderr) == (2, "cannot start: AMQP_URL is missing\n")
    assert unreachable.returncode == 1
    assert unreachable.stderr.startswith("dead-letters: the broker does not answer")
    assert unreachable.stderr.count("\n") == 1


def run_without_stack(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run `bin/switchboard dead-letters list` as a process, without a stack."""
    command = [sys.executable, "-m", "switchboard.cli.operator", "dead-letters", "list"]
    environment = {**os.environ, "SWITCHBOARD_ENV_DIR": "/nowhere", **environment}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
