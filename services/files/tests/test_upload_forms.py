"""The fields, names and structure of upload forms."""

from typing import Any
from urllib.parse import unquote

from switchboard.testing import becomes

from .client import ANNA, FilesClient, trickle

NAMES = [
    ("../../etc/passwd", "passwd", "passwd"),
    ("C:\\files\\bill 1.pdf", "bill 1.pdf", "bill_1"),
    ("Überweisung.pdf", "Überweisung.pdf", "_berweisung"),
    ("invoice\u202egpj.exe", "invoicegpj.exe", "invoicegpj"),
    ("חשבונית.pdf", "חשבונית.pdf", "_______"),
    ("x" * 300 + ".txt", "x" * 300 + ".txt", "x" * 50),
    ("quote%22 and \\.txt", ".txt", "_txt"),
    (".env", ".env", "_env"),
    ("..", "file", "file"),
]


async def test_file_names_are_made_safe_and_kept_for_downloads(client: FilesClient) -> None:
    for name, shown, key_base in NAMES:
        answer = await client.upload(b"hello", name)

        assert (answer.status, answer.body.get("name")) == (201, shown), (name, answer.body)
        folder, _, stored = answer.body["key"].rpartition("/")
        assert folder == f"documents/{ANNA.tenant_id}/lead/42"
        assert stored.rpartition("_")[0] == key_base
        found = await client.call(ANNA, "GET", f"/files/{answer.body['id']}")
        saved = (await client.download(found.body["download_url"]))[2]["Content-Disposition"]
        assert saved.startswith('attachment; filename="')
        assert saved.isascii()
        assert unquote(saved.partition("filename*=UTF-8''")[2]) == shown


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"entity_type": "../x"}, "a.txt", "entity_type"),
    ({"entity_type": "Lead"}, "a.txt", "entity_type"),
    ({"entity_type": "x" * 33}, "a.txt", "entity_type"),
    ({"entity_id": "a/b"}, "a.txt", "entity_id"),
    ({"entity_id": "4\n"}, "a.txt", "entity_id"),
    ({"entity_id": ""}, "a.txt", "entity_id"),
    ({"entity_id": "x" * 65}, "a.txt", "entity_id"),
    ({"more": "1"}, "a.txt", "more"),
    ({}, "a.sh-dash", "name"),
    ({}, "a." + "x" * 11, "name"),
    ({}, "x" * 600, "name"),
]


async def test_an_invalid_entity_or_name_is_refused_by_field(client: FilesClient) -> None:
    for fields, name, blamed in REFUSED:
        answer = await client.upload(b"hello", name, **fields)

        assert (answer.status, answer.body["code"]) == (422, "invalid"), (fields, name)
        assert [error["loc"] for error in answer.body["errors"]] == [["body", blamed]]
    assert await client.rows() == []


FILE = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
TYPE = '--b\r\nContent-Disposition: form-data; name="entity_type"\r\n\r\nlead\r\n'
ID = '--b\r\nContent-Disposition: form-data; name="entity_id"\r\n\r\n42\r\n'
END = "--b--\r\n"
BROKEN_FORMS = [
    ("", "multipart/form-data; boundary=b", ["body"]),
    (TYPE + ID + FILE + END, "application/x-www-form-urlencoded", ["body"]),
    (TYPE + ID + FILE + END, "multipart/form-data", ["body"]),
    ("no form at all", "multipart/form-data; boundary=b", ["body"]),
    (TYPE + ID + FILE, "multipart/form-data; boundary=b", ["body"]),
    (TYPE + ID + END, "multipart/form-data; boundary=b", ["body", "file"]),
    (TYPE + FILE + ID + END, "multipart/form-data; boundary=b", ["body", "entity_id"]),
    (TYPE + TYPE + ID + FILE + END, "multipart/form-data; boundary=b", ["body", "entity_type"]),
    (TYPE + ID + FILE + FILE + END, "multipart/form-data; boundary=b", ["body", "file"]),
    (TYPE + ID.replace("42", "4" * 2000) + FILE + END, "multipart/form-data; boundary=b", ["body", "entity_id"]),
    (TYPE + ID + FILE.replace('; filename="a.txt"', "") + END, "multipart/form-data; boundary=b", ["body", "file"]),
    ("--b\r\nX: " + "x" * 100_000 + "\r\n\r\n" + END, "multipart/form-data; boundary=b", ["body"]),
]


async def test_a_broken_form_is_refused_and_nothing_stays(client: FilesClient) -> None:
    for body, kind, blamed in BROKEN_FORMS:
        headers = {**client.headers(ANNA), "Content-Type": kind}
        async with client.http.post(f"{client.url}/api/v1/files", data=body.encode(), headers=headers) as answer:
            problem = await answer.json(content_type=None)
        assert (answer.status, problem["code"], problem["errors"][0]["loc"]) == (422, "invalid", blamed), body[:300]
    await becomes(client.rows, [])
    await becomes(client.objects, [])


async def test_a_file_name_with_nul_is_refused(client: FilesClient) -> None:
    answer = await client.stream(trickle(b"hello"), 5, "a\0.txt")

    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert await client.rows() == []
