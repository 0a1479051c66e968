"""The context of the service's commands: its database."""

from switchboard.cli.context import CommandContext

context = CommandContext(
    "conversations", pool_size=6, when_unavailable="run it again when it is back, it goes on where it was"
)
