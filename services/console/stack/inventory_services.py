"""Our own services among the components: plain data, in the words of `components`."""

from services.console.stack.components import Component, PythonModule

AUTOMATION = Component(
    name="automation",
    purpose="pipelines and alert intake",
    source=PythonModule(module="services.automation"),
    command=("{python}", "-m", "services.automation"),
    settings=("SIGHTLINE_WATCHDOG_SILENCE_SECONDS",),
    peers={"SIGHTLINE_ALERTMANAGER_URL": "alertmanager"},
    ports={"automation": 8710},
    ready="http://{host}:{port}/readyz",
    depends_on=("nats", "loki", "tempo"),
    service=True,
    scrape_port="automation",
    required=True,
    stop_seconds=20,
)

CONSOLE = Component(
    name="console",
    purpose="operator's API",
    source=PythonModule(module="services.console"),
    command=("{python}", "-m", "services.console"),
    ports={"console": 8700},
    ready="http://{host}:{port}/readyz",
    depends_on=("nats", "loki", "tempo"),
    service=True,
    scrape_port="console",
    required=True,
    stop_seconds=20,
)

AUTH = Component(
    name="auth",
    purpose="logins and preflight",
    source=PythonModule(module="services.auth"),
    command=("{python}", "-m", "services.auth"),
    settings=(
        "SIGHTLINE_VAULT_KEY_SOURCE",
        "SIGHTLINE_VAULT_KEY_PATH",
        "SIGHTLINE_VAULT_PASSPHRASE_FILE",
        "SIGHTLINE_VAULT_KEYRING_ENTRY",
        "SIGHTLINE_VAULT_TRANSIT_URL",
        "SIGHTLINE_VAULT_TRANSIT_KEY",
        "SIGHTLINE_VAULT_TRANSIT_MOUNT",
        "SIGHTLINE_VAULT_TRANSIT_TOKEN_FILE",
        "SIGHTLINE_VERDICT_KEY_FILE",
        "SIGHTLINE_CLOCK_URLS",
        "SIGHTLINE_SIMULATOR_HOSTS",
        "SIGHTLINE_IBKR_CA_FILE",
        "SIGHTLINE_TWILIO_ACCOUNT_ID",
        "SIGHTLINE_TWILIO_AUTH_TOKEN_FILE",
        "SIGHTLINE_TWILIO_API_URL",
        "SIGHTLINE_SMS_WEBHOOK_URL",
    ),
    peers={"SIGHTLINE_PAPER_URL": "venue"},
    ports={"auth": 8720},
    # A sealed vault is not ready, and that is for a person to change: the platform is up all the same.
    ready="http://{host}:{port}/healthz",
    # With the paper venues there, their accounts are logged in from the start.
    depends_on=("nats", "loki", "tempo", "venue"),
    service=True,
    scrape_port="auth",
    required=True,
    stop_seconds=20,
)

TRADING = Component(
    name="trading",
    purpose="orders, risk and positions",
    source=PythonModule(module="services.trading"),
    command=("{python}", "-m", "services.trading"),
    settings=(
        "SIGHTLINE_TRADING_FILE",
        "SIGHTLINE_ALLOW_LIVE",
        "SIGHTLINE_PRICE_FEED",
    ),
    peers={"SIGHTLINE_PAPER_URL": "venue"},
    ports={"trading": 8730},
    # A venue that is not ready for orders is for a person, or for time, to change: the platform is up all the same.
    ready="http://{host}:{port}/healthz",
    depends_on=("nats", "loki", "tempo", "auth", "venue"),
    service=True,
    scrape_port="trading",
    required=True,
    stop_seconds=20,
)

CONTENT = Component(
    name="content",
    purpose="knowledge base and documents",
    source=PythonModule(module="services.content"),
    command=("{python}", "-m", "services.content"),
    settings=(
        "SIGHTLINE_DOCS_DIR",
        "SIGHTLINE_KNOWLEDGE_DIR",
        "SIGHTLINE_KNOWLEDGE_STALE_DAYS",
        "SIGHTLINE_KNOWLEDGE_VENUES",
    ),
    ports={"content": 8750},
    ready="http://{host}:{port}/readyz",
    depends_on=("nats", "loki", "tempo"),
    service=True,
    scrape_port="content",
    required=True,
    stop_seconds=20,
)

AGENTS = Component(
    name="agents",
    purpose="anomalies and diagnoses",
    source=PythonModule(module="services.agents"),
    command=("{python}", "-m", "services.agents"),
    settings=(
        "SIGHTLINE_DETECT_SECONDS",
        "SIGHTLINE_LANGUAGE_MODEL",
        "SIGHTLINE_LANGUAGE_MODEL_KEY_FILE",
        "SIGHTLINE_LANGUAGE_MODEL_SECONDS",
    ),
    peers={"SIGHTLINE_CONTENT_URL": "content"},
    ports={"agents": 8760},
    ready="http://{host}:{port}/readyz",
    depends_on=("nats", "loki", "tempo"),
    service=True,
    scrape_port="agents",
    stop_seconds=20,
    lost="what is out of the ordinary, and why",
)

VENUE = Component(
    name="venue",
    purpose="simulated brokers and paper venues",
    source=PythonModule(module="services.venue"),
    command=("{python}", "-m", "services.venue"),
    settings=(
        "SIGHTLINE_PAPER_VENUES",
        "SIGHTLINE_PAPER_HOURS",
        "SIGHTLINE_PAPER_TIME",
        "SIGHTLINE_PAPER_FILL_RULE",
        "SIGHTLINE_PAPER_PARTICIPATION",
        "SIGHTLINE_PAPER_SLIPPAGE_BPS",
        "SIGHTLINE_PAPER_FEE_PER_SHARE",
        "SIGHTLINE_PAPER_FEE_BPS",
        "SIGHTLINE_PAPER_FEE_MINIMUM",
        "SIGHTLINE_PAPER_REQUESTS_PER_MINUTE",
        "SIGHTLINE_PAPER_FEED",
        "SIGHTLINE_PAPER_BARS",
        "SIGHTLINE_PAPER_FROM",
        "SIGHTLINE_PAPER_SYMBOLS",
        "SIGHTLINE_PAPER_BAR_SECONDS",
        "SIGHTLINE_PAPER_FEED_SPEED",
        "SIGHTLINE_PAPER_SEED",
        "SIGHTLINE_PAPER_SCENARIO",
    ),
    ports={"venue": 8740},
    ready="http://{host}:{port}/readyz",
    depends_on=("loki", "tempo"),
    service=True,
    scrape_port="venue",
    stop_seconds=20,
    lost="brokers to try logins and orders at",
)
