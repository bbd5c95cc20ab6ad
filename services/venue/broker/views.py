"""The account and its positions, valued at the last prices."""

from decimal import Decimal
from typing import Final

from services.contracts.market import Symbol
from services.venue.broker.accounts import PaperAccount
from services.venue.broker.books import Books
from services.venue.broker.figures import decimal_text, time_text
from services.venue.broker.wire import Document, position_document

_ZERO: Final = Decimal(0)
_INITIAL_MARGIN: Final = Decimal("0.5")  # Regulation T, 12 CFR 220.12
_MAINTENANCE_MARGIN: Final = Decimal("0.3")


def account_document(books: Books, account: PaperAccount) -> Document:
    """An account. The fields of the pattern-day-trader rule are gone, as at Alpaca since July 2026."""
    money, marks = account.money, books.marks(account)
    values = [money.holdings[symbol].value(price) for symbol, price in marks.items()]
    longs, shorts = sum((each for each in values if each > 0), _ZERO), sum((each for each in values if each < 0), _ZERO)
    equity, exposure, power = money.cash + longs + shorts, longs - shorts, books.buying_power(account)
    return {
        "id": account.account_id,
        "account_number": account.number,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": decimal_text(money.cash),
        "buying_power": decimal_text(power),
        "regt_buying_power": decimal_text(power),
        "non_marginable_buying_power": decimal_text(max(min(money.cash, power), _ZERO)),
        "options_buying_power": "0",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "accrued_fees": "0",
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "portfolio_value": decimal_text(equity),
        "equity": decimal_text(equity),
        "last_equity": decimal_text(account.last_equity),
        "long_market_value": decimal_text(longs),
        "short_market_value": decimal_text(shorts),
        "position_market_value": decimal_text(exposure),
        "initial_margin": decimal_text(exposure * _INITIAL_MARGIN),
        "maintenance_margin": decimal_text(exposure * _MAINTENANCE_MARGIN),
        "last_maintenance_margin": "0",
        "sma": "0",
        "multiplier": str(account.multiplier),
        "shorting_enabled": account.shorting,
        "trading_blocked": account.trading_blocked,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "created_at": time_text(account.created_at),
    }


def position_view(books: Books, account: PaperAccount, symbol: Symbol) -> Document:
    """A position that is held."""
    holding = account.money.holdings[symbol]
    price = books.prices.last(symbol) or holding.average_price
    free = max(abs(holding.quantity) - books.held(account.account_id, symbol), _ZERO)
    return position_document(
        symbol,
        holding,
        price=price,
        yesterday=books.prices.yesterday(symbol) or price,
        available=free.copy_sign(holding.quantity) if free else free,
    )
