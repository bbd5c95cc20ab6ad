"""`sightline auth ...` on the vault itself, without a running service."""

import os
from pathlib import Path

import pyotp
import pytest
from typer.testing import CliRunner, Result

from services.console.cli import build
from services.console.stack.inventory import COMPONENTS
from services.kit.clock import SystemClock
from services.kit.errors import SightlineError
from tests.auth.service import AuthHome
from tests.kit.running import started
from tests.stack.native_parts import component

SECRET = "canary-hunter2-5520"
STEP_UP = "a step-up passphrase"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ALPACA = ("auth", "add", "alpaca-paper", "--broker", "alpaca", "--environment", "paper")


class Cli:
    """The command over a home of its own; each line of `lines` is one answer to a question."""

    def __init__(self, home: AuthHome, **variables: str) -> None:
        self.home = home
        kept = ("SIGHTLINE_DATA_DIR", "SIGHTLINE_SECRETS_DIR")
        self.environ = {name: home.environ[name] for name in kept} | variables
        self.components = tuple(COMPONENTS)

    def __call__(self, *arguments: str, lines: tuple[str, ...] = ()) -> Result:
        app = build(self.components, environ=self.environ)
        return CliRunner().invoke(app, list(arguments), input="".join(f"{line}\n" for line in lines))

    def well(self, *arguments: str, lines: tuple[str, ...] = ()) -> str:
        result = self(*arguments, lines=lines)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def refused(self, *arguments: str, lines: tuple[str, ...] = ()) -> SightlineError:
        result = self(*arguments, lines=lines)
        assert isinstance(result.exception, SightlineError), (result.output, result.exception)
        return result.exception


def present_code() -> str:
    return pyotp.TOTP(SEED).at(int(SystemClock().now().timestamp()))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(AuthHome(tmp_path))


def test_add_when_a_secret_is_handed_in_then_it_is_listed_and_never_shown(cli: Cli) -> None:
    added = cli.well(*ALPACA, "--secret", "api_key", lines=(SECRET,))
    listed = cli.well("auth", "list")
    assert "https://paper-api.alpaca.markets" in added
    assert "api_key (1, " in listed
    assert SECRET not in added + listed


def test_add_when_the_account_is_known_then_only_what_is_said_changes(cli: Cli) -> None:
    cli.well(*ALPACA, "--set", "username=me")
    cli.well("auth", "add", "alpaca-paper", "--set", "sms_number=+15005550006", "--mfa", "sms")
    listed = cli.well("auth", "list")
    assert "alpaca-paper  alpaca  paper        sms    sms_only" in listed


def test_add_when_a_new_account_lacks_its_broker_then_it_is_asked_for(cli: Cli) -> None:
    result = cli("auth", "add", "nobody")
    assert result.exit_code == 1
    assert "is new" in str(result.exception)


def test_add_when_a_seed_is_confirmed_by_its_code_then_the_account_moves_on(cli: Cli) -> None:
    account = ("auth", "add", "robinhood-main", "--broker", "robinhood", "--environment", "live", "--mfa", "totp")
    output = cli.well(*account, "--secret", "totp_seed", lines=(SEED, present_code()))
    assert "that code is spent" in output
    assert "totp_pending" in cli.well("auth", "list")
    assert SEED not in output


def test_add_when_the_confirming_code_is_wrong_then_nothing_is_stored(cli: Cli) -> None:
    account = ("auth", "add", "robinhood-main", "--broker", "robinhood", "--environment", "live", "--mfa", "totp")
    wrong = f"{(int(present_code()) + 500_000) % 1_000_000:06d}"
    error = cli.refused(*account, "--secret", "totp_seed", lines=(SEED, wrong))
    assert error.code == "enrolment_refused"
    assert "totp_seed" not in cli.well("auth", "list")


def test_add_when_the_seed_comes_on_standard_input_as_an_address_then_it_is_read(cli: Cli) -> None:
    account = ("auth", "add", "robinhood-main", "--broker", "robinhood", "--environment", "live", "--mfa", "totp")
    address = f"otpauth://totp/Robinhood:me?secret={SEED}&issuer=Robinhood"
    cli.well(*account, "--seed-file", "-", lines=(address, present_code()))
    assert "totp_seed (1, " in cli.well("auth", "list")


@pytest.mark.parametrize("command", [(*ALPACA, "--secret", "canary"), ("auth", "reveal", "alpaca-paper", "canary")])
def test_canary_when_it_is_asked_for_as_if_it_were_a_credential_then_it_is_none(
    cli: Cli, command: tuple[str, ...]
) -> None:
    result = cli(*command, lines=(SECRET,))
    assert result.exit_code == 2
    assert "none of api_key, password" in result.output


def test_reveal_when_no_step_up_is_set_then_it_is_refused(cli: Cli) -> None:
    cli.well(*ALPACA, "--secret", "api_key", lines=(SECRET,))
    assert cli.refused("auth", "reveal", "alpaca-paper", "api_key", lines=(STEP_UP,)).code == "step_up_missing"


def test_reveal_when_the_step_up_is_right_then_the_secret_alone_is_written(cli: Cli) -> None:
    cli.well(*ALPACA, "--secret", "api_key", lines=(SECRET,))
    cli.well("auth", "step-up", lines=(STEP_UP,))
    assert cli.well("auth", "reveal", "alpaca-paper", "api_key", lines=(STEP_UP,)) == f"{SECRET}\n"


def test_reveal_when_the_step_up_is_wrong_then_nothing_is_shown(cli: Cli) -> None:
    cli.well(*ALPACA, "--secret", "api_key", lines=(SECRET,))
    cli.well("auth", "step-up", lines=(STEP_UP,))
    result = cli("auth", "reveal", "alpaca-paper", "api_key", lines=("another passphrase",))
    assert getattr(result.exception, "code", "") == "step_up_refused"
    assert SECRET not in result.output


def test_step_up_when_it_is_changed_then_the_old_one_is_needed(cli: Cli) -> None:
    cli.well("auth", "step-up", lines=(STEP_UP,))
    wrong = ("not the old passphrase", "a new step-up passphrase")
    assert cli.refused("auth", "step-up", lines=wrong).code == "step_up_refused"


def test_accept_trail_when_the_step_up_is_wrong_or_not_set_then_it_is_refused(cli: Cli) -> None:
    cli.well(*ALPACA)
    assert cli.refused("auth", "accept-trail").code == "step_up_missing"
    cli.well("auth", "step-up", lines=(STEP_UP,))
    assert cli.refused("auth", "accept-trail", lines=("another passphrase",)).code == "step_up_refused"
    assert "accepted as it is" in cli.well("auth", "accept-trail", lines=(STEP_UP,))


def test_rotate_when_the_key_is_a_file_then_a_new_one_is_in_place_and_secrets_still_open(cli: Cli) -> None:
    cli.well(*ALPACA, "--secret", "api_key", lines=(SECRET,))
    cli.well("auth", "step-up", lines=(STEP_UP,))
    before = (cli.home.secrets_dir / "vault_key").read_text()
    output = cli.well("auth", "rotate")
    assert (cli.home.secrets_dir / "vault_key").read_text() != before
    assert (cli.home.secrets_dir / "vault_key.previous").read_text() == before
    assert "vault_key.previous" in output
    assert cli.well("auth", "reveal", "alpaca-paper", "api_key", lines=(STEP_UP,)) == f"{SECRET}\n"


def test_rotate_when_it_ended_before_the_new_key_file_was_in_place_then_the_next_one_puts_it_there(cli: Cli) -> None:
    cli.well(*ALPACA, "--secret", "api_key", lines=(SECRET,))
    cli.well("auth", "rotate")
    # As a crash leaves it: everything is wrapped by the new key, and that is still beside the old one.
    key = cli.home.secrets_dir / "vault_key"
    os.rename(key, cli.home.secrets_dir / "vault_key.next")  # noqa: PTH104 -- what the crash leaves, step by step
    os.rename(cli.home.secrets_dir / "vault_key.previous", key)  # noqa: PTH104 -- the same
    cli.well("auth", "rotate")
    assert not (cli.home.secrets_dir / "vault_key.next").exists()
    with cli.home.app() as app:
        assert cli.home.client(app).get("/vault").json()["sealed"] is False


def test_rotate_when_to_a_passphrase_then_it_opens_with_that_alone(cli: Cli) -> None:
    cli.well(*ALPACA, "--secret", "api_key", lines=(SECRET,))
    output = cli.well("auth", "rotate", "--to", "passphrase", lines=("a passphrase of six words",))
    assert "SIGHTLINE_VAULT_KEY_SOURCE=passphrase" in output
    by_passphrase = Cli(cli.home, SIGHTLINE_VAULT_KEY_SOURCE="passphrase")
    by_passphrase.well("auth", "step-up", lines=("a passphrase of six words", STEP_UP))
    assert cli.refused("auth", "add", "alpaca-paper", "--set", "a=b").code == "key_missing"


def test_fix_permissions_when_a_file_is_open_to_others_then_it_is_closed(cli: Cli) -> None:
    cli.well(*ALPACA)
    database = cli.home.directory / "var" / "db" / "auth.db"
    database.chmod(0o644)
    assert cli.refused("auth", "list").code == "store_permissions"
    cli.well("auth", "fix-permissions")
    assert database.stat().st_mode & 0o777 == 0o600
    cli.well("auth", "list")


def test_command_when_the_platform_does_not_run_then_it_says_so(cli: Cli) -> None:
    for command in (("auth", "login", "a"), ("auth", "report"), ("auth", "unseal"), ("preflight", "a")):
        assert "does not run" in str(cli(*command).exception)


def test_command_when_it_runs_in_the_services_own_container_then_it_calls_the_service_there(cli: Cli) -> None:
    cli.well(*ALPACA)
    with started("services.auth", {**cli.home.process_environ, "SIGHTLINE_CONSOLE": "text"}) as running:
        port = int(running.url.rpartition(":")[2])
        cli.components = (component("auth", port),)
        # As in the container: the service's own environment, and no record of a start.
        cli.environ["SIGHTLINE_PORT"] = str(port)
        assert "alpaca-paper" in cli.well("auth", "report")
        cli.environ["SIGHTLINE_PORT"] = str(port + 1)
        assert "does not run" in str(cli("auth", "report").exception)


def test_unseal_when_a_person_has_the_passphrase_then_the_running_service_is_opened_by_the_right_one_alone(
    cli: Cli,
) -> None:
    passphrase = "a passphrase of six words"
    cli.environ["SIGHTLINE_VAULT_KEY_SOURCE"] = "passphrase"
    cli.well(*ALPACA, lines=(passphrase,))
    environ = {**cli.home.process_environ, "SIGHTLINE_CONSOLE": "text", "SIGHTLINE_VAULT_KEY_SOURCE": "passphrase"}
    with started("services.auth", environ) as running:
        port = int(running.url.rpartition(":")[2])
        cli.components = (component("auth", port),)
        cli.environ["SIGHTLINE_PORT"] = str(port)
        refused = cli("auth", "unseal", lines=("another passphrase of six",))
        assert "auth refused" in str(refused.exception)
        assert "the vault is open" in cli.well("auth", "unseal", lines=(passphrase,))
        assert "the vault is open" in cli.well("auth", "unseal")
