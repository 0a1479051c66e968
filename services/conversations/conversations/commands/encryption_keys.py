"""`encryption-keys …`: the keys that channels' credentials are encrypted with."""

from pathlib import Path

import typer

from conversations.adapters.credential_encryption import CredentialEncryption
from conversations.commands.context import context
from conversations.store import channels as store
from switchboard.postgres.database import Database
from switchboard.runtime.encryption import EncryptionKeys, Undecryptable, new_encryption_key, read_keys, write_keys
from switchboard.runtime.settings import CommandSettings, load
from switchboard.runtime.terminal import Terminal

app = typer.Typer(no_args_is_help=True, help="The keys that channels' credentials are encrypted with.")
console = Terminal()


class EncryptionKeySettings(CommandSettings):
    encryption_key_file: Path


@app.command()
def rotate() -> None:
    """Encrypt with a new key from now on, and all credentials again. Older keys decrypt until `retire`."""
    file = _file()
    write_keys(file, [new_encryption_key(), *read_keys(file)])
    _encrypt_all(file)


@app.command("apply")
def apply_() -> None:
    """Encrypt all credentials with the newest key, also those that are kept in clear. Safe to interrupt and repeat."""
    _encrypt_all(_file())


@app.command()
def retire() -> None:
    """Drop all keys but the newest. Refused while credentials need another one: `apply` first."""
    file = _file()
    keys = read_keys(file)
    newest = CredentialEncryption(_only(file, keys[0]))

    async def run(database: Database) -> int:
        needed = 0
        async with database.connection() as conn:
            async for _, kept in store.stream_credentials(conn):
                try:
                    newest.open(kept)
                except Undecryptable:
                    needed += 1
        return needed

    needed = context.with_database(run)
    if needed:
        raise typer.BadParameter(f"{needed} channels need an older key: run `encryption-keys apply` first")
    write_keys(file, keys[:1])
    console.print(f"{len(keys) - 1} older keys dropped")


async def encrypt_all(database: Database, encryption: CredentialEncryption) -> int:
    """Encrypt the credentials of all channels with the newest key, one by one. Returns how many."""
    changed = 0
    async with database.connection() as reader, database.connection() as writer:
        async for channel_id, kept in store.stream_credentials(reader):
            sealed = encryption.seal(encryption.open(kept))
            changed += await store.replace_credentials(writer, channel_id, kept, sealed)
    return changed


def _encrypt_all(file: Path) -> None:
    encryption = CredentialEncryption(EncryptionKeys(file))
    changed = context.with_database(lambda database: encrypt_all(database, encryption))
    console.print(f"the credentials of {changed} channels are encrypted with the newest key")


def _file() -> Path:
    return load(EncryptionKeySettings).encryption_key_file


def _only(file: Path, key: str) -> EncryptionKeys:
    draft = file.with_name(f".{file.name}.newest")
    write_keys(draft, [key])
    try:
        return EncryptionKeys(draft)
    finally:
        draft.unlink()
