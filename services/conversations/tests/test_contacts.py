"""Contacts: create, find, change, CSV import and export."""

from typing import Any

from switchboard.contracts.auth import UserUpdated
from switchboard.testing.app import identity_headers

from .client import ANNA, BEN, OLGA, PHONE, STRANGER, ConversationsClient


async def test_a_phone_in_any_spelling_is_one_contact(client: ConversationsClient) -> None:
    added = await client.call(
        ANNA, "POST", "/contacts", {"phone": "(415) 555-0100", "name": "Priya", "tags": ["buyer"]}
    )
    again = await client.call(ANNA, "POST", "/contacts", {"phone": "+1 415 555 0100"})

    assert (added.status, added.body["phone"]) == (201, PHONE)
    assert (again.status, again.body["code"]) == (409, "contact_exists")


async def test_contacts_are_found_by_name_phone_and_tag(client: ConversationsClient) -> None:
    for n, (name, tags) in enumerate([("Priya", ["buyer"]), ("Okafor", ["buyer", "vip"]), ("Ann_e", [])]):
        await client.call(ANNA, "POST", "/contacts", {"phone": f"+1415555010{n}", "name": name, "tags": tags})

    async def names(query: str) -> list[str]:
        answer = await client.call(BEN, "GET", f"/contacts{query}")
        return [item["name"] for item in answer.body["items"]]

    assert await names("?q=oka") == ["Okafor"]
    assert await names("?q=5550102") == ["Ann_e"]
    assert await names("?q=n_e") == ["Ann_e"]
    assert await names("?q=(415) 555-0102") == ["Ann_e"]
    assert await names("?tag=buyer") == ["Priya", "Okafor"]
    first = await client.call(BEN, "GET", "/contacts?limit=2")
    rest = await client.call(BEN, "GET", f"/contacts?limit=2&cursor={first.body['next_cursor']}")
    assert [item["name"] for item in rest.body["items"]] == ["Ann_e"]
    assert rest.body["next_cursor"] is None


async def test_only_its_tenant_can_change_and_delete_a_contact(client: ConversationsClient) -> None:
    await client.given_users()
    contact = (await client.call(ANNA, "POST", "/contacts", {"phone": PHONE, "name": "Priya"})).body
    path = f"/contacts/{contact['id']}"

    changed = await client.call(ANNA, "PATCH", path, {"owner_id": str(BEN.user_id), "opted_out": True})
    unknown = await client.call(ANNA, "PATCH", path, {"owner_id": str(STRANGER.user_id)})

    assert (changed.body["owner_id"], changed.body["opted_out"], changed.body["name"]) == (
        str(BEN.user_id),
        True,
        "Priya",
    )
    assert (unknown.status, unknown.body["errors"][0]["loc"]) == (422, ["body", "owner_id"])
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert (await client.call(STRANGER, method, path, body)).status == 404
    other = await client.call(ANNA, "POST", "/contacts", {"phone": "+14155550101"})
    taken = await client.call(ANNA, "PATCH", path, {"phone": "415 555 0101"})
    moved = await client.call(ANNA, "PATCH", path, {"phone": "415 555 0102"})
    assert (other.status, taken.status, taken.body["code"]) == (201, 409, "contact_exists")
    assert (moved.status, moved.body["phone"]) == (200, "+14155550102")
    assert (await client.call(ANNA, "DELETE", path)).status == 204
    assert (await client.call(ANNA, "GET", path)).status == 404


async def test_csv_import_creates_and_updates_contacts_and_lists_bad_lines(client: ConversationsClient) -> None:
    await client.given_users()
    await client.call(ANNA, "POST", "/contacts", {"phone": PHONE, "name": "Old", "tags": ["kept"]})

    answer = await _upload(
        client,
        "\ufeffphone,name,tags,opted_out\r\n"
        '415-555-0100,"New\nName",,\r\n'
        "nonsense,Nonsense,,\r\n"
        "+442071838750,London,a; b ;a,yes\r\n"
        "\r\n"
        "+442071838751,London\r\n"
        "+442071838752,,,perhaps\r\n"
        '+442071838753,5" pipe,,\r\n'
        f"+442071838754,{'x' * 201},,\r\n"
        f"+442071838754,,{'y' * 51},\r\n"
        '+442071838755,"a"b,,\r\n'
        "+442071838750,London again,,no\r\n",
    )

    assert (answer["created"], answer["updated"], answer["unchanged"]) == (2, 1, 0)
    assert answer["rejected"] == [
        {"line": 4, "reason": "'nonsense' is not a phone number"},
        {"line": 7, "reason": "2 fields instead of 4"},
        {"line": 8, "reason": "opted_out 'perhaps' is neither yes nor no"},
        {"line": 10, "reason": "the name has more than 200 characters"},
        {"line": 11, "reason": "more than 50 tags, or one of more than 50 characters"},
        {"line": 12, "reason": "is not CSV: ',' expected after '\"'"},
        {"line": 13, "reason": "the number of line 5 again"},
    ]
    rows = await client.fetch("select phone, name, tags, opted_out from contacts order by phone")
    assert [tuple(row.values()) for row in rows] == [
        (PHONE, "New\nName", ["kept"], False),
        ("+442071838750", "London", ["a", "b"], True),
        ("+442071838753", '5" pipe', [], False),
    ]


async def test_a_spreadsheet_with_empty_columns_is_imported(client: ConversationsClient) -> None:
    answer = await _upload(client, f"phone;name;;\r\n{PHONE};Priya;;x\r\n+1 415 555 0101 x7;Extension;;\r\n")

    assert (answer["created"], [line["line"] for line in answer["rejected"]]) == (1, [3])
    assert await client.fetch("select phone, name from contacts") == [{"phone": PHONE, "name": "Priya"}]


async def test_one_line_in_another_encoding_harms_no_other(client: ConversationsClient) -> None:
    lines = [f"+1415555{n:04},Zoë {n}".encode() for n in range(2500)]
    lines[2000] = "+14155552000,Zoë €".encode("cp1252")
    lines[2001] = b"+14155552001,\x81"

    answer = await _upload(client, b"\r\n".join([b"phone,name", *lines]))

    assert (answer["created"], answer["updated"]) == (2499, 0)
    assert answer["rejected"] == [{"line": 2003, "reason": "is neither UTF-8 nor Windows-1252"}]
    odd = await client.fetch("select name from contacts where phone in ('+14155552000', '+14155551999') order by phone")
    assert [row["name"] for row in odd] == ["Zoë 1999", "Zoë €"]


async def test_an_unknown_column_is_named(client: ConversationsClient) -> None:
    answer = await _upload(client, "phone,nmae\r\n+14155550100,Priya\r\n")

    assert (answer["status"], answer["code"]) == (422, "unusable_file")
    assert "'nmae'" in answer["detail"]


async def test_an_exported_csv_file_can_be_imported(client: ConversationsClient) -> None:
    lines = "".join(f"+1415555{n:04},Name {n},x;y,false\r\n" for n in range(2500))
    await _upload(client, "phone,name,tags,opted_out\r\n" + lines)

    exported = await _download(client)
    again = await _upload(client, exported)

    assert exported.count("\r\n") == 2501
    assert (again["created"], again["unchanged"], again["rejected"]) == (0, 2500, [])


async def test_csv_import_refuses_a_file_that_is_not_csv(client: ConversationsClient) -> None:
    for text in ("", "name,tags\r\nA,b\r\n", "phone,shoe size\r\n"):
        answer = await _upload(client, text)
        assert answer["code"] == "unusable_file"
    assert (await _upload(client, "phone\r\n", caller=ANNA))["code"] == "forbidden"


OWNED = f"phone,owner_id\r\n{PHONE},{OLGA.user_id}\r\n"


def _given_invited_user(client: ConversationsClient) -> None:
    """Auth knows Olga, who was invited just now. Its event has not arrived here yet."""
    client.auth.known[OLGA.tenant_id, OLGA.user_id] = UserUpdated(
        user_id=OLGA.user_id, email="olga@acme.example", name="Olga", role="agent", disabled=False
    )


async def test_a_contact_can_be_given_to_a_user_who_was_invited_just_now(client: ConversationsClient) -> None:
    _given_invited_user(client)
    hers = {"owner_id": str(OLGA.user_id)}

    added = await client.call(ANNA, "POST", "/contacts", {"phone": PHONE, **hers})
    changed = await client.call(ANNA, "PATCH", f"/contacts/{added.body['id']}", hers)
    imported = await _upload(client, OWNED)
    others = await client.call(STRANGER, "POST", "/contacts", {"phone": PHONE, **hers})
    others_file = await _upload(client, OWNED, caller=STRANGER)

    assert (added.status, changed.status) == (201, 200)
    assert (imported["unchanged"], imported["rejected"]) == (1, [])
    assert (others.status, others.body["errors"][0]["loc"]) == (422, ["body", "owner_id"])
    assert others_file["rejected"] == [{"line": 2, "reason": f"owner_id {OLGA.user_id} is not a user of this tenant"}]


async def test_an_unknown_owner_is_503_while_auth_is_unavailable(client: ConversationsClient) -> None:
    await client.auth.stop()

    unknown = await client.call(ANNA, "POST", "/contacts", {"phone": PHONE, "owner_id": str(OLGA.user_id)})
    imported = await _upload(client, OWNED)
    await client.given_users()
    known = await _upload(client, OWNED)

    assert (unknown.status, unknown.body["code"]) == (503, "unavailable")
    assert (imported["status"], imported["code"]) == (503, "unavailable")
    assert (known["created"], known["rejected"]) == (1, [])


async def _upload(client: ConversationsClient, content: str | bytes, *, caller: Any = BEN) -> Any:
    headers = {**identity_headers(caller, "conversations"), "Content-Type": "text/csv"}
    data = content.encode() if isinstance(content, str) else content
    async with client.http.post("/api/v1/contacts/import", data=data, headers=headers) as answer:
        return await answer.json(content_type=None)


async def _download(client: ConversationsClient) -> str:
    headers = {**identity_headers(BEN, "conversations"), "Accept": "text/csv"}
    async with client.http.get("/api/v1/contacts", headers=headers) as answer:
        return (await answer.read()).decode()


async def test_contacts_are_found_by_any_spelling(client: ConversationsClient) -> None:
    async def names(query: str) -> list[str]:
        return [item["name"] for item in (await client.call(ANNA, "GET", f"/contacts{query}")).body["items"]]

    for phone, name in (("+442079460000", "Jose\u0301"), ("+390612345678", "山田太郎")):
        await client.call(ANNA, "POST", "/contacts", {"phone": phone, "name": name})
    assert await names("?q=020 7946 0000") == ["José"]
    assert await names("?q=06 1234 5678") == ["山田太郎"]
    assert await names("?q=josé") == ["José"]
    assert await names("?q=Jose\u0301") == ["José"]
    assert await names("?q=田太") == ["山田太郎"]
