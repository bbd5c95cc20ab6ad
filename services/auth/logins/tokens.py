"""OAuth tokens as session material."""

import json
from datetime import datetime, timedelta

from services.auth.accounts import Account
from services.auth.logins.port import SessionMaterial
from services.auth.logins.wire import Answer
from services.auth.secret import Secret


def material_of(
    account: Account, answer: Answer, now: datetime, *, usual_life: timedelta, renewable_until: datetime | None
) -> SessionMaterial | None:
    """The session that a token endpoint gave; None when its answer holds no tokens."""
    access, refresh = answer.at("access_token"), answer.at("refresh_token")
    if not (isinstance(access, str) and access and isinstance(refresh, str)):
        return None
    life = answer.seconds("expires_in") or usual_life.total_seconds()
    secret = Secret(json.dumps({"access_token": access, "refresh_token": refresh}))
    return SessionMaterial(account, secret, now + timedelta(seconds=life), renewable_until)


def access_token(material: SessionMaterial) -> str:
    """What calls carry."""
    return _part(material, "access_token")


def refresh_token(material: SessionMaterial) -> str:
    """What renews."""
    return _part(material, "refresh_token")


def bearer(material: SessionMaterial) -> dict[str, str]:
    """The header of a call."""
    return {"Authorization": f"Bearer {access_token(material)}"}


def _part(material: SessionMaterial, name: str) -> str:
    return str(material.secret.use(json.loads)[name])
