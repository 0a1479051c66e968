"""The JSON Schemas of all messages, kept as files. A test refuses changes that would break a subscriber.

`python -m switchboard.contracts.compatibility` writes the schemas, unless a change is incompatible.
"""

import json
import sys
from pathlib import Path
from typing import Any

from switchboard.contracts import consumers  # noqa: F401  every contract module is imported by it
from switchboard.contracts.message import Message, registered

SCHEMAS = Path(__file__).parent / "schemas"

Schema = dict[str, Any]


def schema_of(message: type[Message]) -> Schema:
    """The JSON Schema (draft 2020-12) of a message's data on the wire."""
    schema = message.model_json_schema(mode="serialization", by_alias=True)
    schema["title"] = message.type
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)  # a reader accepts fields of later releases
    return schema


def kept_schema(message_type: str) -> Schema | None:
    """The published schema of a message type; None for a new type."""
    path = SCHEMAS / f"{message_type}.json"
    return json.loads(path.read_text()) if path.exists() else None


def breaking_changes(kept: Schema, current: Schema) -> list[str]:
    """The changes from `kept` to `current` that break a reader or writer of `kept`, one sentence each.

    Only a new optional field is compatible: new code reads messages from before the release, and subscribers with the
    old schema read messages from after it.
    """
    return _compare(kept, current, kept, current, "data")


def _compare(old: Schema, new: Schema, old_root: Schema, new_root: Schema, at: str) -> list[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    found = [
        f"{at}: {name} was {old.get(name)!r} and is {new.get(name)!r}"
        for name in ("type", "format", "enum", "const", "maxLength", "pattern")
        if old.get(name) != new.get(name)
    ]
    found += _compare_fields(old, new, old_root, new_root, at)
    for name in ("items", "additionalProperties"):
        if isinstance(old.get(name), dict) and isinstance(new.get(name), dict):
            found += _compare(old[name], new[name], old_root, new_root, f"{at}[]")
    return found + _compare_choices(old, new, old_root, new_root, at)


def _compare_fields(old: Schema, new: Schema, old_root: Schema, new_root: Schema, at: str) -> list[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    # In serialization mode every field that is always written counts as required: a default marks the optional ones.
    must_before = {name for name, field in before.items() if name in old.get("required", ()) and "default" not in field}
    must_after = {name for name, field in after.items() if name in new.get("required", ()) and "default" not in field}
    found = [f"{at}.{name}: was removed" for name in before if name not in after]
    found += [f"{at}.{name}: is required and was not" for name in sorted(must_after - must_before)]
    found += [f"{at}.{name}: was required and is not" for name in sorted((must_before - must_after) & set(after))]
    for name in before.keys() & after.keys():
        found += _compare(before[name], after[name], old_root, new_root, f"{at}.{name}")
    return found


def _compare_choices(old: Schema, new: Schema, old_root: Schema, new_root: Schema, at: str) -> list[str]:
    before, after = old.get("anyOf", []), new.get("anyOf", [])
    if len(before) != len(after):
        return [f"{at}: had {len(before)} alternatives and has {len(after)}"]
    return [
        line for one, other in zip(before, after, strict=True) for line in _compare(one, other, old_root, new_root, at)
    ]


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    resolved: Schema = root["$defs"][reference.rpartition("/")[2]]
    return resolved


def _write() -> int:
    SCHEMAS.mkdir(exist_ok=True)
    refused = 0
    for name, message in sorted(registered().items()):
        current, kept = schema_of(message), kept_schema(name)
        broken = breaking_changes(kept, current) if kept else []
        for line in broken:
            sys.stderr.write(f"{name}: {line}\n")
        refused += bool(broken)
        if not broken:
            (SCHEMAS / f"{name}.json").write_text(json.dumps(current, indent=2) + "\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(_write())
