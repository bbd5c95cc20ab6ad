"""The Transit adapter against a server that speaks the four paths of Vault's HTTP interface it uses."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.auth.errors import KeyProviderUnavailableError, RecordDoesNotOpenError, WrongKeyError
from services.auth.secret import Secret
from services.auth.vault.transit import TransitProvider
from services.contracts.auth import CredentialKind
from tests.auth.support import ACCOUNT, OPERATOR, House

pytest.importorskip("hvac")

TOKEN = "transit-token-canary"
NONCE = bytes(12)


class FakeVault(ThreadingHTTPServer):
    """Holds key versions and wraps with the one asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.versions = {1: AESGCM.generate_key(256)}
        self.sealed = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeVault

    def do_GET(self) -> None:
        self._answer(200, {"latest_version": max(self.server.versions), "type": "aes256-gcm96"})

    def do_POST(self) -> None:
        self.do_PUT()

    def do_PUT(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.server.sealed:
            self._answer(503, {})
        elif self.headers["x-vault-token"] != TOKEN:
            self._answer(403, {})
        elif "/encrypt/" in self.path:
            self._encrypt(asked)
        else:
            self._decrypt(asked)

    def _encrypt(self, asked: dict[str, Any]) -> None:
        version = asked["key_version"]
        plaintext, binding = (base64.b64decode(asked[name]) for name in ("plaintext", "associated_data"))
        wrapped = AESGCM(self.server.versions[version]).encrypt(NONCE, plaintext, binding)
        self._answer(200, {"ciphertext": f"vault:v{version}:{base64.b64encode(wrapped).decode()}"})

    def _decrypt(self, asked: dict[str, Any]) -> None:
        try:
            _, version, wrapped = asked["ciphertext"].split(":")
            key = AESGCM(self.server.versions[int(version[1:])])
            plaintext = key.decrypt(NONCE, base64.b64decode(wrapped), base64.b64decode(asked["associated_data"]))
        except (ValueError, KeyError, InvalidTag):
            self._answer(400, {})
            return
        self._answer(200, {"plaintext": base64.b64encode(plaintext).decode()})

    def _answer(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps({"data": data} if status == 200 else {"errors": ["refused"]}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[FakeVault]:
    with FakeVault() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _provider(server: FakeVault, token: str = TOKEN) -> TransitProvider:
    return TransitProvider(server.url, Secret(token), key_name="sightline")


def test_transit_when_a_vault_is_wrapped_by_it_then_a_restart_opens_it_again(
    server: FakeVault, sealed_house: House
) -> None:
    sealed_house.vault.initialise(_provider(server), actor=OPERATOR)
    sealed_house.vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret("hunter2"), actor=OPERATOR)
    restarted = sealed_house.another_vault()
    restarted.unseal([_provider(server)], actor=OPERATOR)
    opened = restarted.open(ACCOUNT, CredentialKind.PASSWORD, actor=OPERATOR, purpose="login")
    assert opened == Secret("hunter2")


def test_transit_when_vault_rotated_its_key_then_create_gives_the_new_version_and_the_old_still_opens(
    server: FakeVault,
) -> None:
    old = _provider(server).create()
    wrapped = old.key.wrap(b"d" * 32, b"here")
    server.versions[2] = AESGCM.generate_key(256)
    new = _provider(server).create()
    assert (old.key.kek_id, new.key.kek_id) == ("transit-sightline-1", "transit-sightline-2")
    assert _provider(server).load(old.key.kek_id, old.parameters).unwrap(wrapped, b"here") == b"d" * 32


def test_transit_when_the_binding_differs_then_the_record_does_not_open(server: FakeVault) -> None:
    key = _provider(server).create().key
    with pytest.raises(RecordDoesNotOpenError):
        key.unwrap(key.wrap(b"d" * 32, b"here"), b"there")


@pytest.mark.parametrize("wrapped", [b"", b"nonsense", b"\xff", b"vault:v9:AAAA"], ids=repr)
def test_transit_when_what_is_wrapped_is_damaged_then_the_record_does_not_open(
    server: FakeVault, wrapped: bytes
) -> None:
    with pytest.raises(RecordDoesNotOpenError):
        _provider(server).create().key.unwrap(wrapped, b"here")


def test_transit_when_vault_is_sealed_then_the_provider_is_away_without_a_word_of_the_token(server: FakeVault) -> None:
    key = _provider(server).create().key
    server.sealed = True
    with pytest.raises(KeyProviderUnavailableError) as refused:
        key.wrap(b"d" * 32, b"here")
    assert TOKEN not in str(refused.value)
    assert refused.value.__cause__ is None


def test_transit_when_the_token_is_refused_then_the_provider_is_away(server: FakeVault) -> None:
    key = _provider(server, "another token").create().key
    with pytest.raises(KeyProviderUnavailableError, match="Forbidden"):
        key.wrap(b"d" * 32, b"here")


def test_transit_when_nothing_listens_then_the_provider_is_away() -> None:
    with pytest.raises(KeyProviderUnavailableError):
        TransitProvider("http://127.0.0.1:1", Secret(TOKEN), key_name="sightline").create()


def test_transit_when_the_stored_key_is_another_then_it_is_named(server: FakeVault) -> None:
    with pytest.raises(WrongKeyError, match="elsewhere"):
        _provider(server).load("transit-elsewhere-1", {"key": "elsewhere", "mount": "transit", "version": 1})


def test_transit_when_the_keys_name_could_leave_its_path_then_it_is_refused(server: FakeVault) -> None:
    with pytest.raises(ValueError, match="Transit key's name"):
        TransitProvider(server.url, Secret(TOKEN), key_name="../sys/seal")
