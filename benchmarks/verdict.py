"""What it costs to check a verdict with every order."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.harness import markdown_table, median_call_us
from services.contracts.verdict import Environment, Verdict, VerdictVerifier, sign

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DIGEST = "ab" * 32
BUDGET_US = 500


def run(quick: bool) -> str:  # noqa: FBT001 -- the signature that every benchmark has
    """Median cost of signing and of checking, beside the bare signature check that no form can save."""
    calls = 200 if quick else 5_000
    key = Ed25519PrivateKey.generate()
    verdict = Verdict(
        verdict_id="verdict",
        account="alpaca-paper",
        environment=Environment.PAPER,
        settings_digest=DIGEST,
        issued_at=NOW,
        expires_at=NOW + timedelta(seconds=120),
    )
    token = sign(verdict, key, key_id="auth-1")
    verifier = VerdictVerifier({"auth-1": key.public_key()})
    signed, signature, public = token.encode(), key.sign(token.encode()), key.public_key()

    def check(_: int) -> None:
        verifier.verify(token, account="alpaca-paper", environment=Environment.PAPER, settings_digest=DIGEST, now=NOW)

    floor = median_call_us(lambda _: public.verify(signature, signed), calls)
    rows = [
        ("Ed25519 check alone", floor),
        ("check a verdict", median_call_us(check, calls)),
        ("sign a verdict", median_call_us(lambda _: sign(verdict, key, key_id="auth-1"), calls)),
    ]
    table = [(name, f"{cost:.0f}", f"{cost / floor:.2f}", f"{cost / BUDGET_US:.0%}") for name, cost in rows]
    return markdown_table(("step", "p50 us", "ratio", "of the 500 us budget"), table)
