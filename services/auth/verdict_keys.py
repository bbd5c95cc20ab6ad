"""The key that signs verdicts, and its public half."""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Depends

from services.contracts.auth_views import VerdictKeys
from services.kit.guards import require_scope


def key_id_of(key: Ed25519PrivateKey) -> str:
    """Names a key by its public half: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


def verdict_key_router(key: Ed25519PrivateKey) -> APIRouter:
    """What a receiver checks verdicts with."""
    public = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")
    answer = VerdictKeys(keys={key_id_of(key): public})
    router = APIRouter(tags=["preflight"], dependencies=[Depends(require_scope("preflight:run"))])

    @router.get("/verdict-keys")
    def keys() -> VerdictKeys:
        """The public keys that verdicts are signed with now."""
        return answer

    return router
