"""What ships with the repository: entries that hold, an answer for each alert, and errors that find theirs."""

import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.agents.analyst.causes import ACTIONS
from services.automation.approvals.policy import POLICY
from services.content.knowledge.entries import Entry
from services.content.knowledge.index import KnowledgeIndex
from services.content.knowledge.library import Places, read_library
from services.content.knowledge.links import link_problems
from services.content.knowledge.matching import Matcher
from services.content.knowledge.normalising import Normaliser
from services.contracts.knowledge import EntryKind, MatchedBy, MatchQuery
from tests.content.knowledge.conftest import FAMILIES, STALE_AFTER, Shelf
from tests.stack.stackfiles import ROOT, RULE_FILES, AlertRule, alert_rules

PLACES = Places(docs=ROOT / "docs", own=ROOT / "nowhere")
TODAY = datetime.fromtimestamp(max(path.stat().st_mtime for path, _ in PLACES.entry_files()), UTC).date()
LIBRARY = read_library(PLACES, today=TODAY)
ENTRIES = LIBRARY.current()
WRITTEN = [entry for entry in ENTRIES if entry.path.startswith("knowledge/")]
MATCHER = Matcher(ENTRIES, KnowledgeIndex(ENTRIES), FAMILIES)


def test_entries_when_read_then_none_has_a_problem() -> None:
    assert [str(problem) for problem in (*LIBRARY.problems, *link_problems(LIBRARY, PLACES))] == []


def test_entries_when_counted_then_there_are_enough_of_each_kind() -> None:
    kinds = [entry.front.kind for entry in WRITTEN]
    assert len(WRITTEN) >= 40
    for kind in set(EntryKind) - {EntryKind.RUNBOOK}:
        assert kinds.count(kind) >= 3, kind


@pytest.mark.parametrize("venue", ["alpaca", "schwab", "ibkr", "robinhood", "nats", "loki", "prometheus"])
def test_entries_when_a_venue_or_program_bites_then_some_are_about_it(venue: str) -> None:
    assert [entry for entry in WRITTEN if entry.front.venue == venue]


def test_entries_when_stale_then_that_is_a_warning_and_no_failure() -> None:
    today = datetime.now(UTC).date()
    stale = [entry.front.id for entry in WRITTEN if entry.stale(today, STALE_AFTER)]
    if stale:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(f"not verified for 90 days: {', '.join(stale)}", stacklevel=1)


@pytest.mark.parametrize("rule", tuple(alert_rules(RULE_FILES)), ids=str)
def test_alert_when_it_fires_then_its_runbook_is_an_entry(rule: AlertRule) -> None:
    signature = Normaliser().signature(MatchQuery(alert_name=rule.name))
    first = MATCHER.match(signature, alert_name=rule.name)[0]
    assert (first.how, first.confidence, first.entry.front.alert) == (MatchedBy.EXACT, 1.0, rule.name)
    assert first.entry.front.source == rule.annotations["runbook_url"]


@pytest.mark.parametrize(
    ("venue", "code", "status", "text", "entry_id"),
    [
        ("alpha", "40310000", 403, "insufficient buying power", "alpaca-buying-power"),
        ("alpha", "40310000", 403, "insufficient qty available for order (requested: 9)", "alpaca-shares-held"),
        ("alpaca-paper", "40310000", 403, "potential wash trade detected. use complex orders", "alpaca-wash-trade"),
        ("beta", "40010001", 422, "client_order_id must be unique", "alpaca-field-does-not-fit"),
        ("alpha", "42210000", 422, 'order is already in "filled" state', "alpaca-order-has-ended"),
        ("alpha", "42210000", 422, "invalid limit_price 1.005. sub-penny increment", "alpaca-sub-penny"),
        ("alpha", "42910000", 429, "too many requests.", "alpaca-too-many-requests"),
        ("alpha", "", None, "it answered 429, and not as its rate limiter does", "alpaca-429-not-from-the-limiter"),
        ("alpha", "40310000", 403, "forbidden.", "alpaca-forbidden-without-reason"),
        ("alpha", "42210000", 422, 'asset "HALT" is not tradable', "alpaca-asset-unusable"),
        ("schwab", "refresh_refused", None, "login failed: refresh_refused", "schwab-refresh-refused"),
        ("robinhood", "code_missing", None, "login failed: code_missing", "sms-code-missing"),
        ("robinhood", "codes_refused", None, "logins are blocked: codes_refused", "totp-code-refused"),
        ("ibkr", "session_lost", None, "login failed: session_lost", "ibkr-session-lost"),
        ("", "market_closed", None, "order denied (market_closed): the session begins at 14:30", "market-is-closed"),
        ("", "gross_exposure", None, "order denied (gross_exposure): 120000 would pass 100000", "gate-denied-limit"),
        ("", "", None, "The event bus at nats://127.0.0.1:4222 is away.", "bus-is-away"),
        ("", "", None, "consumer c failed on a.b 1, attempt 5 of 5: x; set aside as a dead letter", "dead-letter"),
        ("", "", None, "(sqlite3.OperationalError) database is locked", "sqlite-has-one-writer"),
        ("", "", None, "OSError: [Errno 28] No space left on device", "disk-is-full"),
        ("", "vault_unsealed", None, "preflight check vault_unsealed failed", "preflight-vault-unsealed"),
        ("alpha", "", None, "circuit opened: 5 of 5 calls failed", "venue-circuit-opened"),
        ("", "", None, "strategy stopped: ValueError: no bar", "strategy-stopped-by-error"),
    ],
)  # fmt: skip
def test_error_when_it_happens_then_its_entry_is_found_first(
    venue: str, code: str, status: int | None, text: str, entry_id: str
) -> None:
    query = MatchQuery(venue=venue, code=code, http_status=status, text=text)
    assert [each.entry.front.id for each in MATCHER.match(Normaliser().signature(query))][:1] == [entry_id]


@pytest.mark.parametrize(
    ("text", "entry_id"),
    [
        ("insufficient buying power for the order", "alpaca-buying-power"),
        ("the refresh token is over after seven days", "schwab-login-every-seven-days"),
        ("the market data are mute while pings come", "alpaca-mute-stream"),
        ("the approval on the telephone timed out", "ibkr-approval-not-given"),
        ("postgres outbox read by id", "postgres-positions-and-commits"),
        ("the split doubled the position over night", "position-differs-after-a-split"),
        ("session ended by a login elsewhere", "ibkr-session-lost"),
    ],
)
def test_error_when_it_is_told_in_other_words_then_the_entry_near_to_it_is_found(text: str, entry_id: str) -> None:
    found = MATCHER.match(Normaliser().signature(MatchQuery(text=text)))
    assert entry_id in {each.entry.front.id for each in found}
    assert found[0].confidence <= 0.7


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'flange'",
        "unexpected end of stream while reading header 7",
        "a task was destroyed but it is pending",
        "division by zero in the momentum of AAPL",
        "worker 3 exited with SIGKILL",
        "certificate verify failed: self-signed certificate in chain",
        "connection reset by peer",
        "list index out of range in signal",
        "the order book of MSFT is crossed",
        "could not parse the venue's clock",
        "no session found for the account main",
    ],
)
def test_error_when_it_is_strange_then_nothing_is_made_up(text: str) -> None:
    assert MATCHER.match(Normaliser().signature(MatchQuery(text=text))) == []


def test_entry_of_the_operator_when_it_links_nowhere_then_file_and_line_are_named(shelf: Shelf) -> None:
    shelf.put_own("x-y", "Words.\n\nSee [this](gone.md) and [that](x-y.md#gone).", source="docs/gone.md")
    library = read_library(shelf.places, today=TODAY)
    assert [str(problem) for problem in link_problems(library, shelf.places)] == [
        "own/x-y.md: names the source docs/gone.md, which does not exist",
        "own/x-y.md:12: links to gone.md, which leads nowhere",
        "own/x-y.md:12: links to x-y.md#gone, which leads nowhere",
    ]


@pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: entry.front.id)
def test_actions_when_an_entry_names_some_then_automation_or_the_analyst_knows_them(entry: Entry) -> None:
    assert set(entry.front.actions) <= {*POLICY, *ACTIONS}


def test_documentation_when_it_shows_an_entry_then_that_entry_stands_so() -> None:
    page = Path(ROOT / "docs" / "knowledge.md").read_text()
    for name in type(WRITTEN[0].front).model_fields:
        assert f"`{name}`" in page, name
