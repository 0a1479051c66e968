"""The subscriptions of all services. Every service knows them all, so that any one can declare the queues."""

from dataclasses import dataclass

from switchboard.contracts import auth, conversation_commands, conversations, files, scheduler
from switchboard.contracts.message import Command, Event, Message, registered


@dataclass(frozen=True)
class Subscription:
    """A consumer of some message types, and its queues.

    `partitions` > 0: ordered by subject, in that many queues `<service>.<name>.<n>` with one active consumer each.
    `partitions` = 0: one queue `<service>.<name>` with competing consumers and delayed retries.
    `batched`: ordered, and the relay sends it events in CloudEvents batches, beside each single one for other teams.
    """

    service: str
    name: str
    types: tuple[type[Message], ...]
    partitions: int = 8
    batched: bool = False

    @property
    def queue(self) -> str:
        return f"{self.service}.{self.name}"

    @property
    def ordered(self) -> bool:
        return self.partitions > 0

    def queues(self) -> list[str]:
        """The names of its queues."""
        return [f"{self.queue}.{n}" for n in range(self.partitions)] if self.ordered else [self.queue]


def _commands(service: str, *types: type[Command]) -> Subscription:
    return Subscription(service, "commands", types, partitions=0)


def _every_event() -> tuple[type[Message], ...]:
    return tuple(cls for cls in registered().values() if issubclass(cls, Event))


_USERS_AND_TENANTS = (
    auth.TenantCreated,
    auth.TenantUpdated,
    auth.TenantTrialExtended,
    auth.TenantTrialExpired,
    auth.UserCreated,
    auth.UserUpdated,
)

SUBSCRIPTIONS: tuple[Subscription, ...] = (
    _commands("auth", auth.TrialExpire, auth.TrialSweep),
    _commands("files", files.FilesCleanup),
    Subscription("files", "deletions", (files.FileDeleted,), partitions=0),
    Subscription("conversations", "events", (*_USERS_AND_TENANTS, files.FileUploaded, files.FileDeleted)),
    Subscription(
        "conversations",
        "campaigns",
        (
            conversation_commands.CampaignRun,
            conversation_commands.CampaignPause,
            conversation_commands.CampaignResume,
            conversation_commands.CampaignCancel,
        ),
        partitions=1,
    ),
    _commands(
        "conversations",
        conversation_commands.ReminderFire,
        conversation_commands.CallPlace,
        conversation_commands.CallsCleanup,
    ),
    Subscription(
        "scheduler",
        "events",
        (
            *_USERS_AND_TENANTS,
            conversations.CampaignStarted,
            conversations.CampaignProgress,
            conversations.CampaignCompleted,
            conversations.CallRinging,
            conversations.CallCompleted,
            conversations.CallMissed,
            conversations.CallFailed,
        ),
    ),
    Subscription("realtime", "events", _every_event(), partitions=2, batched=True),
)

RETIRED_SUBSCRIPTIONS: tuple[Subscription, ...] = (Subscription("realtime", "feed", ()),)
"""Subscriptions of earlier releases. Their service deletes their queues once no instance of such a release consumes."""


def subscriptions_of(service: str) -> list[Subscription]:
    """The subscriptions of one service."""
    return [subscription for subscription in SUBSCRIPTIONS if subscription.service == service]


def publisher_of(message: type[Message]) -> str:
    """The service that publishes the message: the owner of an event, the scheduler for a command."""
    return "scheduler" if issubclass(message, Command) else message.__module__.rpartition(".")[2]


__all__ = ["RETIRED_SUBSCRIPTIONS", "SUBSCRIPTIONS", "Subscription", "publisher_of", "scheduler", "subscriptions_of"]
