"""The configuration file of supervisord, written from a plan."""

import os
import re
import shlex
from collections.abc import Mapping

from services.console.stack.errors import StackError
from services.console.stack.layout import Layout
from services.console.stack.plan import Plan, Process

# A component that ends sooner than this after its start is started again after 1 s, 2 s, 3 s and so on. It is
# never given up: the platform runs around the clock, and a dependency may come back after hours.
START_SECONDS = 5
_START_RETRIES = 100_000

# Quotes and line breaks end a value; ` ;` and ` #` start a comment.
_UNWRITABLE = re.compile(r"[\"'\n\r]|\s[;#]")
_UNWRITABLE_INSIDE = re.compile(r"[\n\r]|\s[;#]")

_FILE = """\
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
logfile={log}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
loglevel=info
pidfile={run}/supervisord.pid
childlogdir={log}
directory={root}
umask=077
nocleanup=true
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command={command}
directory={directory}
autostart=false
autorestart=true
startsecs={start_seconds}
startretries={start_retries}
stopsignal=TERM
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={logfile}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
environment={environment}
"""


def render(plan: Plan) -> str:
    """The file's text. Raises StackError when a path holds what the file's format cannot carry."""
    layout = plan.layout
    _require_plain_paths(layout)
    head = _FILE.format(
        socket=_escape(str(layout.socket)),
        log=_escape(str(layout.log_dir)),
        run=_escape(str(layout.run_dir)),
        root=_escape(str(layout.root)),
        # Run as root, supervisord warns until it is told that this is meant.
        user="user=root\n" if os.getuid() == 0 else "",
    )
    return head + "".join(_program(process, layout) for process in plan.processes)


def _program(process: Process, layout: Layout) -> str:
    return _PROGRAM.format(
        name=process.name,
        command=_escape(shlex.join(process.command)),
        directory=_escape(str(process.working_directory)),
        start_seconds=START_SECONDS,
        start_retries=_START_RETRIES,
        stop_seconds=process.component.stop_seconds,
        logfile=_escape(str(layout.log_file(process.name))),
        environment=_environment(process.environment),
    )


def _environment(variables: Mapping[str, str]) -> str:
    return ",".join(f"{name}={_quoted(name, value)}" for name, value in sorted(variables.items()))


def _quoted(name: str, value: str) -> str:
    """Supervisord takes either kind of quote around a value, strips both kinds from its ends, and escapes none."""
    quote = "'" if '"' in value else '"'
    if quote in value or value.strip("'\"") != value or _UNWRITABLE_INSIDE.search(value):
        raise StackError(
            f"{name} holds both kinds of quotes, one at an end, a line break, or a semicolon or hash after a blank,"
            " which the supervisor's configuration file cannot carry",
            remedy="write it otherwise: JSON needs no blanks and no single quotes",
        )
    return f"{quote}{_escape(value)}{quote}"


def _escape(text: str) -> str:
    """Supervisord expands `%(name)s` in every value."""
    return text.replace("%", "%%")


def _require_plain_paths(layout: Layout) -> None:
    for path in (layout.root, layout.data_dir, layout.secrets_dir):
        if _UNWRITABLE.search(str(path)):
            raise StackError(
                f"the path {str(path)!r} holds a quote, a line break, or a semicolon or hash after a blank,"
                " which the supervisor's configuration file cannot carry",
                remedy="move the checkout, or set SIGHTLINE_DATA_DIR to a path without them",
            )
