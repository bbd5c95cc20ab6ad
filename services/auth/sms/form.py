"""Reads the form that Twilio posts for a message. Strict: what is not exactly as documented is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from services.auth.sms.patterns import LONGEST_BODY

MOST_BYTES: Final = (
    16 * 1024
)  # a message of 1,600 characters, each three bytes and percent-encoded, and the other fields
_MOST_FIELDS: Final = 100
_MEDIA_TYPE: Final = re.compile(r'application/x-www-form-urlencoded(?:\s*;\s*charset="?utf-8"?)?', re.IGNORECASE)
_MESSAGE_ID: Final = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_ACCOUNT_ID: Final = re.compile(r"AC[0-9a-f]{32}")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")


class FormError(Exception):
    """The body is not the form of a message. Says nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class IncomingSms:
    """The fields that matter."""

    message_id: str
    account_id: str
    number: str = field(repr=False)
    body: str = field(repr=False)


def is_form(content_type: str) -> bool:
    """Whether the header says that a form in UTF-8 follows."""
    return _MEDIA_TYPE.fullmatch(content_type.strip()) is not None


def read_fields(raw: bytes) -> Mapping[str, str]:
    """Fields by name.

    Raises:
        FormError: It is no form, not in UTF-8, has a field twice, or too many.
    """
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        # Without its cause, whose text holds a part of the body.
        raise FormError from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise FormError
    return fields


def read_message(fields: Mapping[str, str]) -> IncomingSms:
    """The message.

    Raises:
        FormError: A field is missing or has another form.
    """
    message = IncomingSms(
        fields.get("MessageSid", ""), fields.get("AccountSid", ""), fields.get("To", ""), fields.get("Body", "")
    )
    formed = (
        _MESSAGE_ID.fullmatch(message.message_id)
        and _ACCOUNT_ID.fullmatch(message.account_id)
        and _NUMBER.fullmatch(message.number)
    )
    if not formed or "Body" not in fields or len(message.body) > LONGEST_BODY:
        raise FormError
    return message
