"""What one message makes the servers do, counted by the servers themselves: ours only."""

import asyncio
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence

import asyncpg
from redis.asyncio import Redis
from rich.table import Table

from switchboard.local.stack import Stack

EXTENSION = "create extension if not exists pg_stat_statements"
PRELOAD = "alter system set shared_preload_libraries = 'pg_stat_statements'"
STATEMENTS = "select coalesce(sum(calls), 0)::bigint from pg_stat_statements where query not like '%pg_stat%'"
COMMITS = "select sum(xact_commit)::bigint from pg_stat_database"
WAL = "select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint"
SECONDS = 20.0
STATISTICS_SECONDS = 1.5  # a backend reports its transactions after a second at the latest

NAMES = {
    "statements": "SQL statements",
    "commits": "commits",
    "wal": "WAL bytes",
    "outbox": "outbox rows",
    "redis": "Redis commands",
    "published": "messages published to RabbitMQ",
    "delivered": "messages delivered by RabbitMQ",
    "log lines": "log lines",
}

Counts = dict[str, float]


def prepare(stack: Stack) -> None:
    """Have Postgres count statements from its next start on. The stack runs."""
    asyncio.run(_execute(stack.servers.postgres.url, PRELOAD))


async def _execute(url: str, statement: str) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


def read(stack: Stack) -> Counts:
    """Read all counters. Takes some seconds, until the servers' statistics are complete."""
    return asyncio.run(_read(stack))


async def _read(stack: Stack) -> Counts:
    await asyncio.sleep(STATISTICS_SECONDS)
    conn = await asyncpg.connect(stack.servers.postgres.url)
    try:
        await conn.execute(EXTENSION)
        commits, wal = await conn.fetchval(COMMITS), await conn.fetchval(WAL)
        statements = await conn.fetchval(STATEMENTS)
    finally:
        await conn.close()
    return {
        "statements": statements,
        "commits": commits,
        "wal": wal,
        "outbox": await _outbox_rows(stack),
        "redis": await _redis_commands(stack.servers.redis_url),
        "published": _broker_counter(stack, "received"),
        "delivered": _broker_counter(stack, "delivered"),
        "log lines": sum(log.read_bytes().count(b"\n") for log in (stack.stack_dir.root / "log").glob("*-[12].log")),
    }


async def _outbox_rows(stack: Stack) -> int:
    conn = await asyncpg.connect(stack.servers.postgres.url.rpartition("/")[0] + "/switchboard_conversations")
    try:
        return int(await conn.fetchval("select last_value from outbox_id_seq"))
    finally:
        await conn.close()


async def _redis_commands(url: str) -> int:
    redis = Redis.from_url(url)
    try:
        stats: Mapping[str, Mapping[str, int]] = await redis.info("commandstats")
        return sum(stat["calls"] for name, stat in stats.items() if name not in ("cmdstat_info", "cmdstat_auth"))
    finally:
        await redis.aclose()


def _broker_counter(stack: Stack, name: str) -> float:
    """Add up a counter of the broker's over its protocols and kinds of queue."""
    url = f"http://127.0.0.1:{stack.servers.broker_metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"rabbitmq_global_messages_{name}_total"))


def per_message(before: Counts, after: Counts, idle: Counts, messages: int) -> Counts:
    """Take the counts of an idle period of the same length from those of a load."""
    return {name: (after[name] - before[name] - idle[name]) / messages for name in after}


def count_messages(stack: Stack, kinds: Sequence[str], send: Callable[[str, float], int]) -> dict[str, Counts]:
    """Count what a message of each kind costs at 20 a second. `send`: sends for so many seconds, returns how many."""
    before = read(stack)
    time.sleep(SECONDS)
    idle = {name: count - before[name] for name, count in read(stack).items()}
    counted = {}
    for kind in kinds:
        before = read(stack)
        messages = send(kind, SECONDS)
        counted[kind] = per_message(before, read(stack), idle, messages)
    return counted


def table_of(counted: Mapping[str, Counts]) -> Table:
    table = Table("per message at 20 a second", *counted, title="What one message makes the servers do")
    for name, label in NAMES.items():
        table.add_row(label, *(f"{counts[name]:,.1f}" for counts in counted.values()))
    return table
