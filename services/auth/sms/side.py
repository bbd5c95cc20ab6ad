"""Puts the SMS side together: the webhook's route, and polling where it is asked for."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter

from services.auth.secret import Secret
from services.auth.sms.correlator import SmsCorrelator
from services.auth.sms.polling import EVERY_SECONDS, SmsPolling, TwilioMessages
from services.auth.sms.receiver import Registry, SmsReceiver
from services.auth.sms.signatures import SignatureCheck, signature_maker
from services.auth.sms.webhook import PATH, SmsWebhook, sms_router
from services.auth.transactions import Transactions
from services.kit.clock import Clock
from services.kit.repeating import repeating
from telemetry.emit.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioOptions:
    """Our account at Twilio.

    Attributes:
        account_id: "AC" and 32 hexadecimal digits.
        auth_token: Signs Twilio's calls, and ours to it.
        webhook_url: The webhook's public address, exactly as Twilio holds it.
        api_url: Where messages are asked for, without a slash at the end; None for not asking.
    """

    account_id: str
    auth_token: Secret
    webhook_url: str
    api_url: str | None = None


@dataclass(frozen=True, slots=True)
class SmsSide:
    """What the service takes over: nothing at all without a Twilio account."""

    routers: Sequence[APIRouter] = ()
    open_paths: frozenset[str] = frozenset()
    background: Sequence[Callable[[], AbstractAsyncContextManager[None]]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsParts:
    """What messages are matched with and told to."""

    inbox: SmsCorrelator
    transactions: Transactions
    accounts: Registry
    metrics: Metrics
    clock: Clock


def sms_side(options: TwilioOptions | None, parts: SmsParts) -> SmsSide:
    """The SMS side of a service."""
    if options is None:
        return SmsSide()
    receiver = SmsReceiver(parts.inbox, parts.transactions, parts.accounts, parts.clock)
    check = SignatureCheck(signature_maker(options.auth_token), options.webhook_url)
    webhook = SmsWebhook(check, options.account_id, receiver, parts.metrics, parts.clock)
    background = [] if options.api_url is None else [_polling(options, options.api_url, parts, receiver)]
    return SmsSide([sms_router(webhook)], frozenset({PATH}), background)


def _polling(
    options: TwilioOptions, api_url: str, parts: SmsParts, receiver: SmsReceiver
) -> Callable[[], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def polling() -> AsyncIterator[None]:
        messages = TwilioMessages(api_url, options.account_id, options.auth_token, metrics=parts.metrics)
        looking = SmsPolling(messages, parts.inbox, receiver, parts.clock)
        try:
            async with repeating(looking.look, every_seconds=EVERY_SECONDS, purpose="ask for text messages"):
                yield
        finally:
            messages.close()

    return polling
