"""The workers of conversations: every instance runs all of them, and row locks and leases divide the work."""

from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.adapters.provider_rate_limit import ProviderRateLimit
from conversations.adapters.sending_metrics import SendingMetrics
from conversations.settings import Settings
from conversations.workers.call_dialer import CallDialer
from conversations.workers.campaign_expander import CampaignExpander
from conversations.workers.campaign_progress import ProgressReporter
from conversations.workers.delivery_attempts import Checkpoint, DeliveryAttempts, no_checkpoint
from conversations.workers.delivery_recovery import DeliveryRecovery
from conversations.workers.held_deliveries import HeldDeliveries
from conversations.workers.message_sender import MessageSender
from conversations.workers.sandbox_reports import SandboxReporter
from switchboard.process.service import Service
from switchboard.runtime.background import Loop


def open_sending(
    settings: Settings, service: Service, accounts: ProviderAccounts, checkpoint: Checkpoint = no_checkpoint
) -> tuple[MessageSender, HeldDeliveries]:
    """The message sender, and what sends new messages through it. `checkpoint`: see `DeliveryAttempts`."""
    rates = {"sandbox": settings.sandbox_rate}
    rate_limit = ProviderRateLimit(
        service.redis,
        provider_rate=settings.provider_rate,
        tenant_rate=settings.tenant_rate,
        rates_of=rates,
    )
    attempts = DeliveryAttempts(
        service.database,
        accounts,
        rate_limit,
        resends=settings.uncertain_policy == "resend",
        checkpoint=checkpoint,
        metrics=SendingMetrics(accounts.providers, service.metrics.registry, rate=settings.provider_rate, rates=rates),
    )
    sender = MessageSender(attempts, instance=service.instance, slots=settings.sending_slots)
    return sender, HeldDeliveries(service.database, accounts, rate_limit, sender, instance=service.instance)


def workers(settings: Settings, service: Service, accounts: ProviderAccounts, sender: MessageSender) -> list[Loop]:
    """All workers."""
    database, resends = service.database, settings.uncertain_policy == "resend"
    return [
        sender.run,
        DeliveryRecovery(database, accounts, resends=resends).run,
        CampaignExpander(database, settings.default_region).run,
        ProgressReporter(database).run,
        CallDialer(database, accounts, instance=service.instance).run,
        SandboxReporter(database).run,
    ]
