"""The tenant's contacts, one by one and by the file."""

from __future__ import annotations

from typing import Any

from switchboard.contracts.auth import UserUpdated
from switchboard.testing.app import identity_headers

from .world import ANNA, BEN, OLGA, PHONE, STRANGER, World


async def test_a_contact_is_one_phone_however_it_is_spelt(world: World) -> None:
    added = await world.call(ANNA, "POST", "/contacts", {"phone": "(415) 555-0100", "name": "Priya", "tags": ["buyer"]})
    again = await world.call(ANNA, "POST", "/contacts", {"phone": "+1 415 555 0100"})

    assert (added.status, added.body["phone"]) == (201, PHONE)
    assert (again.status, again.body["code"]) == (409, "contact_exists")


async def test_contacts_are_found_by_name_phone_and_tag(world: World) -> None:
    for n, (name, tags) in enumerate([("Priya", ["buyer"]), ("Okafor", ["buyer", "vip"]), ("Ann_e", [])]):
        await world.call(ANNA, "POST", "/contacts", {"phone": f"+1415555010{n}", "name": name, "tags": tags})

    async def names(query: str) -> list[str]:
        answer = await world.call(BEN, "GET", f"/contacts{query}")
        return [item["name"] for item in answer.body["items"]]

    assert await names("?q=oka") == ["Okafor"]
    assert await names("?q=5550102") == ["Ann_e"]
    assert await names("?q=n_e") == ["Ann_e"]
    assert await names("?q=(415) 555-0102") == ["Ann_e"]
    assert await names("?tag=buyer") == ["Priya", "Okafor"]
    first = await world.call(BEN, "GET", "/contacts?limit=2")
    rest = await world.call(BEN, "GET", f"/contacts?limit=2&cursor={first.body['next_cursor']}")
    assert [item["name"] for item in rest.body["items"]] == ["Ann_e"]
    assert rest.body["next_cursor"] is None


async def test_a_contact_is_changed_and_dropped_by_its_tenant_alone(world: World) -> None:
    await world.given_users()
    contact = (await world.call(ANNA, "POST", "/contacts", {"phone": PHONE, "name": "Priya"})).body
    path = f"/contacts/{contact['id']}"

    changed = await world.call(ANNA, "PATCH", path, {"owner_id": str(BEN.user_id), "opted_out": True})
    unknown = await world.call(ANNA, "PATCH", path, {"owner_id": str(STRANGER.user_id)})

    assert (changed.body["owner_id"], changed.body["opted_out"], changed.body["name"]) == (
        str(BEN.user_id),
        True,
        "Priya",
    )
    assert (unknown.status, unknown.body["errors"][0]["loc"]) == (422, ["body", "owner_id"])
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert (await world.call(STRANGER, method, path, body)).status == 404
    other = await world.call(ANNA, "POST", "/contacts", {"phone": "+14155550101"})
    taken = await world.call(ANNA, "PATCH", path, {"phone": "415 555 0101"})
    moved = await world.call(ANNA, "PATCH", path, {"phone": "415 555 0102"})
    assert (other.status, taken.status, taken.body["code"]) == (201, 409, "contact_exists")
    assert (moved.status, moved.body["phone"]) == (200, "+14155550102")
    assert (await world.call(ANNA, "DELETE", path)).status == 204
    assert (await world.call(ANNA, "GET", path)).status == 404


async def test_a_file_makes_and_changes_contacts_and_names_each_bad_line(world: World) -> None:
    await world.given_users()
    await world.call(ANNA, "POST", "/contacts", {"phone": PHONE, "name": "Old", "tags": ["kept"]})

    answer = await _upload(
        world,
        "\ufeffphone,name,tags,opted_out\r\n"
        '415-555-0100,"New\nName",,\r\n'
        "nonsense,Nobody,,\r\n"
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

    assert (answer["created"], answer["updated"]) == (2, 2)
    assert answer["rejected"] == [
        {"line": 4, "reason": "'nonsense' is not a phone number"},
        {"line": 7, "reason": "2 fields instead of 4"},
        {"line": 8, "reason": "opted_out 'perhaps' is neither yes nor no"},
        {"line": 10, "reason": "the name has more than 200 characters"},
        {"line": 11, "reason": "more than 50 tags, or one of more than 50 characters"},
        {"line": 12, "reason": "is not CSV: ',' expected after '\"'"},
    ]
    rows = await world.fetch("select phone, name, tags, opted_out from contacts order by phone")
    assert [tuple(row.values()) for row in rows] == [
        (PHONE, "New\nName", ["kept"], False),
        ("+442071838750", "London again", ["a", "b"], True),
        ("+442071838753", '5" pipe', [], False),
    ]


async def test_what_is_exported_can_be_imported(world: World) -> None:
    lines = "".join(f"+1415555{n:04},Name {n},x;y,false\r\n" for n in range(2500))
    await _upload(world, "phone,name,tags,opted_out\r\n" + lines)

    exported = await _download(world)
    again = await _upload(world, exported)

    assert exported.count("\r\n") == 2501
    assert (again["created"], again["updated"], again["rejected"]) == (0, 2500, [])


async def test_a_file_that_is_none_is_refused(world: World) -> None:
    for text in ("", "name,tags\r\nA,b\r\n", "phone,shoe size\r\n"):
        answer = await _upload(world, text)
        assert answer["code"] == "unusable_file"
    assert (await _upload(world, "phone\r\n", who=ANNA))["code"] == "forbidden"


OWNED = f"phone,owner_id\r\n{PHONE},{OLGA.user_id}\r\n"


def told_by_auth(world: World) -> None:
    """Olga was invited just now: no event of it has come here yet."""
    world.auth.known[OLGA.tenant_id, OLGA.user_id] = UserUpdated(
        user_id=OLGA.user_id, email="olga@acme.example", name="Olga", role="agent", disabled=False
    )


async def test_a_colleague_who_was_invited_just_now_can_be_given_contacts(world: World) -> None:
    told_by_auth(world)
    hers = {"owner_id": str(OLGA.user_id)}

    added = await world.call(ANNA, "POST", "/contacts", {"phone": PHONE, **hers})
    changed = await world.call(ANNA, "PATCH", f"/contacts/{added.body['id']}", hers)
    imported = await _upload(world, OWNED)
    others = await world.call(STRANGER, "POST", "/contacts", {"phone": PHONE, **hers})
    others_file = await _upload(world, OWNED, who=STRANGER)

    assert (added.status, changed.status, imported) == (201, 200, {"created": 0, "updated": 1, "rejected": []})
    assert (others.status, others.body["errors"][0]["loc"]) == (422, ["body", "owner_id"])
    assert others_file["rejected"] == [{"line": 2, "reason": f"owner_id {OLGA.user_id} is no user of this tenant"}]


async def test_whom_auth_would_have_to_know_is_not_guessed_while_it_is_away(world: World) -> None:
    await world.auth.stop()

    unknown = await world.call(ANNA, "POST", "/contacts", {"phone": PHONE, "owner_id": str(OLGA.user_id)})
    imported = await _upload(world, OWNED)
    await world.given_users()
    known = await _upload(world, OWNED)

    assert (unknown.status, unknown.body["code"]) == (503, "unavailable")
    assert (imported["status"], imported["code"]) == (503, "unavailable")
    assert known == {"created": 1, "updated": 0, "rejected": []}


async def _upload(world: World, text: str, *, who: Any = BEN) -> Any:
    headers = {**identity_headers(who, "conversations"), "Content-Type": "text/csv"}
    async with world.client.post("/api/v1/contacts/import", data=text.encode(), headers=headers) as answer:
        return await answer.json(content_type=None)


async def _download(world: World) -> str:
    headers = {**identity_headers(BEN, "conversations"), "Accept": "text/csv"}
    async with world.client.get("/api/v1/contacts", headers=headers) as answer:
        return (await answer.read()).decode()
