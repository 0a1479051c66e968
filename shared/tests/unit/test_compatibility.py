import copy

import pytest

from switchboard.contracts.auth import UserCreated
from switchboard.contracts.compatibility import SCHEMAS, breaking_changes, kept_schema, schema_of
from switchboard.contracts.message import Message, registered


@pytest.mark.parametrize("message", registered().values(), ids=registered().keys())
def test_a_message_still_has_its_published_schema(message: type[Message]) -> None:
    kept = kept_schema(message.type)

    assert kept is not None, "a new message: run `make schemas`"
    assert breaking_changes(kept, schema_of(message)) == []
    assert kept == schema_of(message), "a compatible change: run `make schemas`"


def test_every_kept_schema_belongs_to_a_message() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(registered())


def changed(**fields: object) -> dict[str, object]:
    schema = copy.deepcopy(schema_of(UserCreated))
    for name, field in fields.items():
        if field is None:
            del schema["properties"][name]
        else:
            schema["properties"][name] = field
    return schema


def test_a_removed_field_breaks_its_readers() -> None:
    assert breaking_changes(schema_of(UserCreated), changed(email=None)) == ["data.email: was removed"]


def test_another_type_breaks_its_readers() -> None:
    broken = breaking_changes(schema_of(UserCreated), changed(email={"type": "integer"}))

    assert broken == ["data.email: type was 'string' and is 'integer'"]


def test_another_value_of_a_choice_breaks_its_readers() -> None:
    broken = breaking_changes(schema_of(UserCreated), changed(role={"type": "string", "enum": ["owner", "guest"]}))

    assert broken == ["data.role: enum was ['owner', 'admin', 'agent'] and is ['owner', 'guest']"]


def test_a_new_required_field_breaks_readers_of_queued_messages() -> None:
    schema = changed(badge={"type": "string"})
    schema["required"] = [*schema["required"], "badge"]  # type: ignore[misc]

    assert breaking_changes(schema_of(UserCreated), schema) == ["data.badge: is required and was not"]


def test_a_new_optional_field_is_compatible() -> None:
    assert breaking_changes(schema_of(UserCreated), changed(badge={"type": "string", "default": ""})) == []
