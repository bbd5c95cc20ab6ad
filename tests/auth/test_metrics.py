"""The catalogue's words for logging in are those of the contracts."""

from enum import StrEnum

import pytest

from services.auth.sessions.session import State
from services.contracts.auth import BlockReason, CredentialKind, Flow, LoginFailure, LoginMethod, MfaStage, UnmatchedSms
from telemetry import catalogue
from telemetry.catalogue import Metric

_BESIDES = {"succeeded", "matched"}
_NOT_SHOWN = {"canary"}  # no credential


@pytest.mark.parametrize(
    ("metric", "label", "words"),
    [
        (catalogue.AUTH_ATTEMPTS, "flow", Flow),
        (catalogue.AUTH_ATTEMPTS, "method", LoginMethod),
        (catalogue.AUTH_ATTEMPTS, "outcome", LoginFailure),
        (catalogue.AUTH_FLOW_DURATION, "method", LoginMethod),
        (catalogue.AUTH_SESSION_STATE, "state", State),
        (catalogue.AUTH_LOCKOUTS, "reason", BlockReason),
        (catalogue.AUTH_MFA_STAGE, "stage", MfaStage),
        (catalogue.AUTH_CREDENTIAL_WRITTEN, "kind", CredentialKind),
        (catalogue.AUTH_SMS, "outcome", UnmatchedSms),
    ],
)
def test_label_when_a_contract_names_its_values_then_it_lists_the_same(
    metric: Metric, label: str, words: type[StrEnum]
) -> None:
    (listed,) = (entry.values for entry in metric.labels if entry.name == label)
    assert listed is not None
    assert set(listed) - _BESIDES == {word.value for word in words} - _NOT_SHOWN


def test_metrics_when_a_service_asks_for_its_own_then_it_gets_no_other_services() -> None:
    of_console = catalogue.emitted_by("console")
    assert catalogue.AUTH_VAULT_SEALED not in of_console
    assert catalogue.AUTH_VAULT_SEALED in catalogue.emitted_by("auth")
    assert set(of_console) < set(catalogue.emitted_by("auth"))
