"""Rotation of the signing keys: `bin/switchboard identity-keys …`."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from joserfc.jwk import OKPKey

from switchboard.http.identity_keys import new_key, public_set, read_key_file
from switchboard.runtime.settings import CommandSettings, load

app = typer.Typer(no_args_is_help=True, help="The keys that gateways sign identities with.")

Public = Annotated[
    Path | None,
    typer.Option(
        help="Auth's file of public keys; by default IDENTITY_PUBLIC_KEY_FILE, or identity-public.json beside "
        "the private keys."
    ),
]


class KeyFileSettings(CommandSettings):
    identity_key_file: Path
    identity_public_key_file: Path | None = None


Pause = Annotated[
    float,
    typer.Option(min=0, help="Seconds between publishing the key and signing with it; services fetch keys every five."),
]


@app.command()
def rotate(public: Public = None, pause: Pause = 6) -> None:
    """Sign with a new key. Identities signed with older keys are accepted until `retire`."""
    private = load(KeyFileSettings).identity_key_file
    keys = [new_key(f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"), *read_key_file(private)]
    # Published first: a service that meets an unknown key refuses the request. Services fetch keys at most every five
    # seconds, so the gateway waits longer than that before it signs with the new one.
    _write_public(_public_file(private, public), keys)
    time.sleep(pause)
    _write_private(private, keys)
    typer.echo(f"signing with {keys[0].kid}; {len(keys) - 1} older accepted. After a minute: identity-keys retire")


@app.command()
def retire(public: Public = None) -> None:
    """Accept only the newest key. Identities are valid for a minute: wait that long after `rotate`."""
    private = load(KeyFileSettings).identity_key_file
    keys = read_key_file(private)
    _write_private(private, keys[:1])
    _write_public(_public_file(private, public), keys[:1])
    typer.echo(f"accepting only {keys[0].kid}; services drop the others within five minutes")


def _public_file(private: Path, public: Path | None) -> Path:
    named = public or load(KeyFileSettings).identity_public_key_file
    file = named or private.with_name("identity-public.json")
    if not file.exists():
        raise typer.BadParameter(f"{file} does not exist", param_hint="--public")
    return file


def _write_private(file: Path, keys: list[OKPKey]) -> None:
    _replace(file, {"keys": [key.as_dict(private=True) for key in keys]}, 0o600)


def _write_public(file: Path, keys: list[OKPKey]) -> None:
    _replace(file, public_set(keys), 0o644)


def _replace(file: Path, content: object, mode: int) -> None:
    """Replace a file atomically: readers see the old content or the new."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as opened:
        opened.write(json.dumps(content) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
