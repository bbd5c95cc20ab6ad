"""Whether a component answers: one question with a short deadline."""

import socket
from urllib.parse import urlsplit

import httpx


def is_ready(url: str, *, timeout_seconds: float = 1.0) -> bool:
    """Whether `tcp://host:port` takes a connection, or an http URL answers 2xx, within the time given."""
    if url.startswith("tcp://"):
        return _takes_connections(url, timeout_seconds)
    try:
        # Loopback only: a proxy named in the environment must not stand between.
        with httpx.Client(trust_env=False, timeout=timeout_seconds) as client:
            return client.get(url).is_success
    except httpx.HTTPError:
        return False


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _takes_connections(url: str, timeout_seconds: float) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=timeout_seconds):
            return True
    except OSError:
        return False
