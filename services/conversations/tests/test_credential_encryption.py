"""Credentials of channels: encrypted at rest, with keys that can be rotated while instances run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from conversations.adapters.credential_encryption import CredentialEncryption
from conversations.commands.encryption_keys import encrypt_all
from conversations.settings import Settings
from switchboard.runtime.encryption import EncryptionKeys, Undecryptable, new_encryption_key, read_keys, write_keys

from .client import ConversationsClient, open_client

SECRET = "very-secret-token"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "encryption-keys"
    write_keys(file, [new_encryption_key()])
    return file


async def test_credentials_are_kept_encrypted_and_still_used(
    database_url: Callable[[str], str], key_file: Path
) -> None:
    encryption = CredentialEncryption(EncryptionKeys(key_file))
    async with open_client(database_url("conversations"), encryption=encryption) as client:
        await client.given_users()
        channel = await client.given_channel()

        (kept,) = await client.fetch("select credentials::text as text from channels")
        assert "AC8" not in kept["text"]
        assert list((await client.fetch("select credentials from channels"))[0]["credentials"]) == ["encrypted"]
        path = f"/api/v1/webhooks/twilio/{channel['endpoint_key']}"
        form = {"MessageSid": "SM1", "From": "+14155550100", "To": channel["number"], "Body": "hi"}
        assert await client.webhook(form, path=path) == 200  # verified by the token


async def test_credentials_in_clear_are_read_and_encrypted_by_the_command(
    database_url: Callable[[str], str], key_file: Path
) -> None:
    url = database_url("conversations")
    async with open_client(url) as client:  # as an earlier release
        await client.given_channel()
    encryption = CredentialEncryption(EncryptionKeys(key_file))
    async with open_client(url, encryption=encryption) as client:
        assert await _credentials(client) == {"account_sid": "AC8", "auth_token": "token"}

        assert await encrypt_all(client.database, encryption) == 1

        assert list((await client.fetch("select credentials from channels"))[0]["credentials"]) == ["encrypted"]
        assert await _credentials(client) == {"account_sid": "AC8", "auth_token": "token"}


def test_an_old_and_a_new_key_work_at_once(key_file: Path) -> None:
    running = CredentialEncryption(EncryptionKeys(key_file))
    before = running.seal({"secret": SECRET})

    write_keys(key_file, [new_encryption_key(), *read_keys(key_file)])
    rotated = CredentialEncryption(EncryptionKeys(key_file))
    after = rotated.seal(rotated.open(before))

    assert rotated.open(before) == {"secret": SECRET}
    assert running.open(after) == {"secret": SECRET}  # it reads the file again
    write_keys(key_file, read_keys(key_file)[:1])
    newest = CredentialEncryption(EncryptionKeys(key_file))
    assert newest.open(after) == {"secret": SECRET}
    with pytest.raises(Undecryptable):
        newest.open(before)


def test_both_forms_are_written_while_older_instances_run(key_file: Path) -> None:
    kept = CredentialEncryption(EncryptionKeys(key_file), keeps_clear=True).seal({"secret": SECRET})

    assert kept["secret"] == SECRET
    assert CredentialEncryption(EncryptionKeys(key_file)).open(kept) == {"secret": SECRET}
    assert CredentialEncryption().open(kept) == {"secret": SECRET}


def test_production_refuses_to_start_without_a_key() -> None:
    required = dict.fromkeys(("auth_urls", "files_urls"), "http://127.0.0.1:1")
    servers = {"database_url": "postgresql://x/x", "amqp_url": "amqp://x", "redis_url": "redis://x"}
    with pytest.raises(ValueError, match="ENCRYPTION_KEY_FILE"):
        Settings(public_url="https://crm.example.com", app_instance_id="x", port=0, **required, **servers)  # type: ignore[arg-type]


async def _credentials(client: ConversationsClient) -> dict[str, str]:
    async with client.database.connection() as conn:
        (row,) = await conn.fetch("select tenant_id from channels")
        return (await client.accounts.of_tenant(conn, row["tenant_id"])).credentials
