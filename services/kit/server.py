"""Runs a service: settings, port, application, server; whatever goes wrong at the start is told in words."""

import errno
import logging
import socket
import sys
from collections.abc import Callable, Iterable
from typing import ClassVar, Final, NoReturn, TypeVar

import uvicorn
from starlette.types import ASGIApp

from services.kit.errors import SightlineError, StartError
from services.kit.garbage import collect_seldom
from services.kit.service_settings import ServiceSettings
from services.kit.settings import Settings, load

_TRY_AGAIN_LATER: Final = 75  # EX_TEMPFAIL
_STOPPED_BY_KEYBOARD: Final = 130
_DID_NOT_START: Final = 3
_log = logging.getLogger("services.server")

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


class AddressError(StartError):
    """The address cannot be listened on and waiting does not change that."""

    code = "bad_address"
    title = "The address cannot be listened on"


class PortInUseError(StartError):
    """Another program listens on the port; it may go away, so trying again later makes sense."""

    code = "port_in_use"
    title = "The port is in use"
    exit_status: ClassVar[int] = _TRY_AGAIN_LATER


def run(
    settings_class: type[SettingsT],
    build: Callable[[SettingsT], ASGIApp],
    *,
    also_known: Iterable[type[Settings]] = (),
) -> NoReturn:
    """Run a service until it is told to stop, then end the process.

    Args:
        settings_class: The service's settings; read once, here.
        build: Makes the application from the settings.
        also_known: Settings of other programs whose variables may stand in the same environment.

    SIGTERM and SIGINT let requests under way end and run the application's lifespan to its end; the process then
    dies of the signal, as a supervisor expects. Exit status 78 means that a person has to change something first.
    """
    try:
        settings = load(settings_class, also_known=also_known)
        listener = listen(settings.host, settings.listen_port)
        app = build(settings)
        collect_seldom()
    except SightlineError as error:
        _tell(settings_class.service_name, error)
        sys.exit(error.exit_status if isinstance(error, StartError) else _TRY_AGAIN_LATER)
    server = uvicorn.Server(_config(app, settings))
    host, port = listener.getsockname()[:2]
    _log.info("serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        sys.exit(_STOPPED_BY_KEYBOARD)
    sys.exit(0 if server.started else _DID_NOT_START)


def listen(host: str, port: int) -> socket.socket:
    """Bind the service's socket, so that two instances cannot both go on to touch its data.

    Raises:
        PortInUseError: Another program listens there.
        AddressError: The address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise AddressError(f"{host} is no address of this machine; set SIGHTLINE_HOST to 127.0.0.1.") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # Bound is not enough to keep another program out: with SO_REUSEADDR both could bind and one then fail.
        listener.listen()
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from None
    return listener


def _refused(host: str, port: int, error: OSError) -> StartError:
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(
            f"Port {port} of {host} is in use by another program. Stop it (`ss -ltnp 'sport = :{port}'` shows it), "
            "or set SIGHTLINE_PORT or SIGHTLINE_PORT_OFFSET to use another port."
        )
    if error.errno == errno.EACCES:
        return AddressError(f"Port {port} is reserved for root; set SIGHTLINE_PORT to one above 1023.")
    return AddressError(f"{host} cannot be listened on ({error.strerror}); set SIGHTLINE_HOST to 127.0.0.1.")


def _config(app: ASGIApp, settings: ServiceSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,  # the telemetry's handler on the root logger takes the server's lines too
        log_level=logging.WARNING,  # start and stop are told by ourselves
        access_log=False,  # spans and metrics hold the same without query strings
        proxy_headers=False,  # no proxy is trusted to say who calls
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )


def _tell(service: str, error: SightlineError) -> None:
    lines = (error.detail or error.title).splitlines()
    print(f"{service}: {error.title}", file=sys.stderr)  # noqa: T201 -- telemetry may not stand yet
    for line in lines:
        print(f"  {line}", file=sys.stderr)  # noqa: T201 -- telemetry may not stand yet
