"""Operator commands of auth: `bin/switchboard user create` and `import-users`."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from pydantic import EmailStr, TypeAdapter, ValidationError

from auth.actions.sign_up import sign_up
from auth.adapters.password_hashing import open_password_hasher
from auth.commands.import_users import import_users
from auth.commands.tenants import app as tenants
from switchboard.cli.context import CommandContext, fail
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import Refusal
from switchboard.runtime.settings import CommandSettings, Duration, load

app = typer.Typer(no_args_is_help=True)
user = typer.Typer(no_args_is_help=True, help="Users and their tenants.")
app.add_typer(user, name="user")
app.add_typer(tenants, name="tenant")
app.command("import-users")(import_users)


class UserCommandSettings(CommandSettings):
    trial_duration: Duration = timedelta(days=14)


@user.command()
def create(
    email: str,
    name: Annotated[str, typer.Option(help="The person's name.")] = "Owner",
    tenant: Annotated[str, typer.Option(help="The name of the new tenant that the user will own.")] = "New tenant",
    password: Annotated[
        str | None, typer.Option(help="Read from a prompt, or from standard input, when not given.")
    ] = None,
) -> None:
    """Create a tenant on trial with its owner."""
    try:
        TypeAdapter(EmailStr).validate_python(email)
    except ValidationError:
        fail(f"{email} is no email address")
    chosen = password or _read_password()
    if len(chosen) < 8:
        fail("the password needs 8 characters or more")
    trial = load(UserCommandSettings).trial_duration

    async def run(database: Database) -> str:
        async with open_password_hasher() as passwords:
            password_hash = await passwords.hash(chosen)
        async with open_work(database, tenant_id=None) as work:
            created, owner = await sign_up(
                work,
                tenant_name=tenant,
                name=name,
                email=email,
                password_hash=password_hash,
                trial=trial,
                now=datetime.now(UTC),
            )
        return f"user {owner.id} of tenant {created.id}"

    try:
        typer.echo(CommandContext("auth").with_database(run))
    except Refusal as refusal:
        fail(str(refusal))


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")
