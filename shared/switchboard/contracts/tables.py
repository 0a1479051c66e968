"""Generates the tables of messages and services in `docs/`. A test compares the files with them.

`python -m switchboard.contracts.tables FILE...` replaces the tables between the markers in the files (`make docs`).
"""

import re
import sys
from pathlib import Path

from switchboard.contracts.consumers import SUBSCRIPTIONS, publisher_of
from switchboard.contracts.message import Command, Event, Message, registered

OWNS = {
    "api-gateway": "nothing",
    "auth": "tenants, users, sessions, invites, OAuth accounts, trials",
    "files": "documents: metadata in Postgres, bytes in S3",
    "conversations": "contacts, conversations, messages, deliveries, calls, notifications",
    "scheduler": "schedules: campaigns, reminders, calls, ends of trials, housekeeping",
    "realtime": "nothing durable: a bounded event log and presence in Redis",
}

EFFECT_WHEN_REPEATED = {
    "trial.expire": "none: acts only if the stored end of the trial equals `trial_ends_at`",
    "trial.sweep": "none: ends only trials that are over and not yet ended",
    "files.cleanup": "none: deletes the leftovers that there still are",
    "calls.cleanup": "none: ends only calls that are overdue",
    "campaign.pause": "none: a revision older than the recorded one is ignored",
    "campaign.resume": "none: a revision older than the recorded one is ignored",
    "campaign.cancel": "none: a revision older than the recorded one is ignored",
}


def services_table() -> str:
    """The services: data that each owns, messages that it consumes and publishes."""
    lines = ["| service | owns | consumes | publishes |", "|---|---|---|---|"]
    for service, owns in OWNS.items():
        consumed = [cls for s in SUBSCRIPTIONS if s.service == service for cls in s.types]
        published = [cls for cls in registered().values() if publisher_of(cls) == service]
        lines.append(f"| `{service}` | {owns} | {_names(consumed)} | {_names(published)} |")
    return "\n".join(lines)


def messages_table() -> str:
    """All events and commands: data, subject, publisher, consumers, effect of a redelivery."""
    lines = [
        "| message | data | subject | published by | consumed by | effect when repeated |",
        "|---|---|---|---|---|---|",
    ]
    for name, cls in sorted(registered().items(), key=lambda item: (issubclass(item[1], Command), item[0])):
        consumers = sorted({s.service for s in SUBSCRIPTIONS if cls in s.types})
        kind = "command" if issubclass(cls, Command) else "event"
        cells = [
            f"`{name}` ({kind})",
            _fields(cls),
            f"`{_subject(cls)}`",
            publisher_of(cls),
            ", ".join(consumers),
            EFFECT_WHEN_REPEATED.get(name, "none: its id is in the inbox"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES = {"services": services_table, "messages": messages_table}


def fill_tables(text: str) -> str:
    """Replace each table between `<!-- table: name -->` and `<!-- end -->`."""

    def table(match: re.Match[str]) -> str:
        return f"<!-- table: {match[1]} -->\n{TABLES[match[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->.*?<!-- end -->", table, text, flags=re.DOTALL)


def _names(classes: list[type[Message]]) -> str:
    events = {cls for cls in registered().values() if issubclass(cls, Event)}
    if events and events <= set(classes):
        return "every event"
    return ", ".join(f"`{name}`" for name in sorted({cls.type for cls in classes})) or "nothing"


def _fields(cls: type[Message]) -> str:
    required = [f"`{name}`" for name, field in cls.model_fields.items() if field.is_required()]
    optional = [f"`{name}?`" for name, field in cls.model_fields.items() if not field.is_required()]
    return ", ".join(required + optional) or "none"


def _subject(cls: type[Message]) -> str:
    """The format of the subject, taken from an instance with the name of each field as its value."""
    blank = cls.model_construct(None, **{name: f"{{{name}}}" for name in cls.model_fields})
    return blank.subject


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(fill_tables(path.read_text()))
