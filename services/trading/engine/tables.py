"""What the engine stores. Numbers are decimals as text, exact; times are whole microseconds since the epoch."""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

# Every strategy that ever ran: how it stands, up to where it has decided, and its account.
STRATEGIES = Table(
    "strategies",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # what it is to do: running, paused or stopped
    Column("detail", String(400), nullable=False),
    Column("decided_us", BigInteger),  # start of the last bar that it decided at
    Column("signal_at_us", BigInteger),  # when it last wanted something
    Column("account", Text, nullable=False),  # JSON of engine.account.Account
)

# Every order that a strategy wanted.
STRATEGY_SIGNALS = Table(
    "strategy_signals",
    METADATA,
    Column("intent_id", String(64), primary_key=True),
    Column("strategy", String(64), nullable=False),
    Column("symbol", String(16), nullable=False),
    Column("leg", String(16), nullable=False),
    Column("number", Integer, nullable=False),  # its place among those of one bar
    Column("bar_at_us", BigInteger, nullable=False),
    Column("decided_at_us", BigInteger, nullable=False),
    Column("ticket", Text, nullable=False),  # JSON of contracts.orders.OrderTicket
    Column("last", String(64), nullable=False),  # the last close then
    Column("outcome", String(16), nullable=False),  # planned until it is known what became of it
    Column("detail", String(400), nullable=False),
    Index("strategy_signals_by_bar", "strategy", "bar_at_us"),
    Index("strategy_signals_by_outcome", "outcome", "strategy"),
)
