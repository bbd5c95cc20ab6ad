"""What the paper broker stores: the columns that are looked up by, and the rest as one JSON document for each row."""

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, Text

METADATA = MetaData()

ACCOUNTS = Table(
    "paper_accounts",
    METADATA,
    Column("venue", String(64), primary_key=True),
    Column("account_id", String(36), primary_key=True),
    Column("document", Text, nullable=False),
)

ORDERS = Table(
    "paper_orders",
    METADATA,
    Column("venue", String(64), primary_key=True),
    Column("order_id", String(36), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("account_id", String(36), nullable=False),
    Column("client_order_id", String(128), nullable=False),
    Column("document", Text, nullable=False),
    Index("paper_orders_by_name", "venue", "account_id", "client_order_id", unique=True),
)

EXECUTIONS = Table(
    "paper_executions",
    METADATA,
    Column("venue", String(64), primary_key=True),
    Column("execution_id", String(36), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)

# The newest bar of each symbol, so that a restarted venue knows its prices, and what is special about the symbol.
MARKETS = Table(
    "paper_markets",
    METADATA,
    Column("venue", String(64), primary_key=True),
    Column("symbol", String(12), primary_key=True),
    Column("document", Text, nullable=False),
)
