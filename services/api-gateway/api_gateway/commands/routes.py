"""Operator commands of the gateway: `bin/switchboard identity-keys …`."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from joserfc.jwk import OKPKey
from pydantic_settings import BaseSettings

from switchboard.http.identity_keys import new_key, public_set, read_key_file
from switchboard.runtime.settings import load

app = typer.Typer(no_args_is_help=True)
identity_keys = typer.Typer(no_args_is_help=True, help="The keys that gateways sign identities with.")
app.add_typer(identity_keys, name="identity-keys")

Public = Annotated[
    Path | None,
    typer.Option(help="Auth's file of public keys; by default identity-public.json beside the private one."),
]


class _Settings(BaseSettings):
    identity_key_file: Path


Pause = Annotated[
    float, typer.Option(min=0, help="Seconds between publishing the key and signing with it; services look each five.")
]


@identity_keys.command()
def rotate(public: Public = None, pause: Pause = 6) -> None:
    """Sign with a fresh key from now on. Identities signed with the old ones are accepted until `retire`."""
    private = load(_Settings).identity_key_file
    keys = [new_key(f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"), *read_key_file(private)]
    # Published first: no service may meet a signature whose key it can't find. One that looked just before this looks
    # again only after five seconds, and would until then refuse whoever asks.
    _write_public(_public_file(private, public), keys)
    time.sleep(pause)
    _write_private(private, keys)
    typer.echo(f"signing with {keys[0].kid}; {len(keys) - 1} older accepted. After a minute: identity-keys retire")


@identity_keys.command()
def retire(public: Public = None) -> None:
    """Accept only the key that is signed with. Identities live for a minute: wait that long after `rotate`."""
    private = load(_Settings).identity_key_file
    keys = read_key_file(private)
    _write_private(private, keys[:1])
    _write_public(_public_file(private, public), keys[:1])
    typer.echo(f"accepting {keys[0].kid} alone; services forget the others within five minutes")


def _public_file(private: Path, public: Path | None) -> Path:
    file = public or private.with_name("identity-public.json")
    if not file.exists():
        raise typer.BadParameter(f"{file} does not exist", param_hint="--public")
    return file


def _write_private(file: Path, keys: list[OKPKey]) -> None:
    _replace(file, {"keys": [key.as_dict(private=True) for key in keys]}, 0o600)


def _write_public(file: Path, keys: list[OKPKey]) -> None:
    _replace(file, public_set(keys), 0o644)


def _replace(file: Path, content: object, mode: int) -> None:
    """At once: whoever reads meanwhile gets the old content or the new."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as opened:
        opened.write(json.dumps(content) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
