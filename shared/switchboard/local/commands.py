"""The commands that run the product on this machine: `up`, `down`, `status`, `logs`, `demo`."""

import asyncio
import json
import os
import sys
from typing import Annotated

import typer
from rich.table import Table

from switchboard.local.health import NotHealthy, wait_until_healthy
from switchboard.local.ports import PortInUse
from switchboard.local.probes import ServerNotReachable
from switchboard.local.rabbitmq import InvalidSchedulers
from switchboard.local.services import INSTANCES, InvalidTeamName
from switchboard.local.stack import Stack, recover
from switchboard.local.stack_directory import StackDirectory
from switchboard.local.status import rows
from switchboard.local.supervisor import SupervisorFailed
from switchboard.postgres.migrations import NewerDatabase
from switchboard.runtime.terminal import Terminal

app = typer.Typer()
DEFAULT_PORT = 8080
HEALTHY_WITHIN = 150.0  # seconds; an idle machine needs ten, a busy one minutes
_console = Terminal(stderr=True, highlight=False)


@app.command()
def up(
    servers_only: Annotated[bool, typer.Option(help="Start the servers, and not the services: for a restore.")] = False,
) -> None:
    """Start everything that isn't running, and wait until it is healthy."""
    stack_dir = StackDirectory.of_repository()
    stack_dir.create()
    try:
        recover(stack_dir, _print_progress)
        stack = Stack.at(stack_dir, os.environ, _gateway_port())
        stack.up(_print_progress, servers_only=servers_only)
        if servers_only:
            _print_progress("the servers run")
            return
        _print_progress("waiting for /health")
        wait_until_healthy(stack, within=HEALTHY_WITHIN)
    except (
        PortInUse, InvalidTeamName, InvalidSchedulers, ServerNotReachable, NotHealthy, SupervisorFailed, NewerDatabase,
    ) as failure:  # fmt: skip
        _console.print(f"[bold red]switchboard:[/] {failure}", soft_wrap=True)
        _console.print(f"logs: {os.path.relpath(stack_dir.root / 'log')}/   all of them: make logs")
        raise SystemExit(1) from None
    _print_next_steps(stack)


@app.command()
def down() -> None:
    """Stop everything that `up` started; the data is kept."""
    stack_dir = StackDirectory.of_repository()
    if not stack_dir.root.exists():
        return
    Stack.at(stack_dir, os.environ).down()
    _print_progress("stopped; the data is kept in .local/run")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show each process with its start time and health."""
    found = rows(Stack.at(StackDirectory.of_repository(), os.environ))
    if as_json:
        sys.stdout.write(json.dumps([row.as_json() for row in found], indent=2) + "\n")
        return
    table = Table("instance", "pid", "port", "since", "health", box=None, header_style="bold", pad_edge=False)
    for row in found:
        health = "[green]ok[/]" if row.healthy else f"[red]{row.failure}[/]"
        table.add_row(row.instance, str(row.pid or "-"), str(row.port or "-"), row.since or "-", health)
    Terminal().print(table)


@app.command()
def demo() -> None:
    """A tour of the running stack."""
    from switchboard.local.demo import DemoFailed, Tour  # its clients load slowly, and only for this

    stack_dir = StackDirectory.of_repository()
    if not stack_dir.root.exists():
        _print_progress("nothing runs here yet: make up")
        raise SystemExit(1)
    try:
        asyncio.run(Tour(Stack.at(stack_dir, os.environ), Terminal(highlight=False)).take())
    except (DemoFailed, OSError) as failure:
        _console.print(f"[bold red]demo:[/] {failure}", soft_wrap=True)
        raise SystemExit(1) from None


@app.command()
def logs() -> None:
    """Follow the logs of all processes."""
    files = sorted((StackDirectory.of_repository().root / "log").glob("*.log"))
    if not files:
        _print_progress("nothing has run here yet: make up")
        raise SystemExit(1)
    os.execvp("tail", ["tail", "-n", "5", "-F", *map(str, files)])


def _gateway_port() -> int:
    text = os.environ.get("SWITCHBOARD_PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or not 1 <= int(text) <= 65_535 - INSTANCES:
        raise PortInUse(f"SWITCHBOARD_PORT must be a port, not {text!r}")
    return int(text)


def _print_progress(text: str) -> None:
    _console.print(f"[dim]switchboard:[/] {text}")


def _print_next_steps(stack: Stack) -> None:
    first = stack.gateways[0]
    body = '{"tenant_name": "Acme", "name": "Anna", "email": "anna@example.com", "password": "correct horse battery"}'
    out = Terminal(highlight=False)
    out.print(f"\n[bold green]Switchboard is up[/]   the console: {first}/\n")
    out.print(f"  gateways: {'   '.join(stack.gateways)}\n", soft_wrap=True, markup=False)
    out.print("try next:", style="bold")
    signup = f"curl -s {first}/api/v1/auth/signup -H 'content-type: application/json' -d '{body}'"
    for line in (
        signup,
        "make demo      a tour of it",
        "make status    what runs",
        "make logs      what it says",
        "make down",
    ):
        out.print(f"  {line}", soft_wrap=True, markup=False)
    out.print(f"  {first}/docs", markup=False)
