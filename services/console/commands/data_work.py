"""What the commands of `sightline data` do."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from services.console.commands.context import Operator
from services.console.commands.data_findings import when, words_for
from services.console.commands.data_options import Wanted
from services.console.commands.data_sources import alpaca_of, packaged_in, pieces_of
from services.console.commands.render import Cell, columns, header
from services.console.commands.tuning_bars import WrongOptionError, one_of
from services.contracts.bars import bars_of, moment_of, seconds_of
from services.contracts.columns import Columns
from services.contracts.market import Symbol
from services.kit.bar_csv import write_csv
from services.kit.bar_files import read_bars
from services.kit.bar_rows import FileBars
from services.kit.bar_times import EARLIEST, LATEST, daily_start
from services.kit.market_calendar import MarketCalendar, OutsideCalendarError
from services.trading.marketdata.checks import check, complete_before
from services.trading.marketdata.packaged import DATASETS, PackagedHistory
from services.trading.marketdata.port import (
    Adjustment,
    BarRequest,
    BarSource,
    NotOfferedError,
    Timeframe,
    UnknownSymbolError,
)
from services.trading.marketdata.store import BarStore, Kept, Series

_FIRST_DAY: Final = date(1990, 1, 2)
_ALPACA: Final = "alpaca"
_STORE: Final = "store"
_ALPACA_BEGINS: Final = datetime(2016, 1, 1, tzinfo=UTC)
_WITHIN_DAYS: Final = timedelta(days=365)  # how far back shorter bars are fetched where nobody says it
_MOST_LINES: Final = 20


class DataWork:
    """One command's work."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._store = BarStore(operator.layout.data_dir / "bars")
        self._say = operator.progress.note

    def listing(self) -> None:
        """See `data.listing`."""
        rows: list[list[Cell]] = []
        for holding in map(self._store.holding, self._store.series()):
            series = holding.series
            first, last = when(holding.first, series.timeframe), when(holding.last, series.timeframe)
            rows.append([series.symbol, series.timeframe, series.adjustment, f"{holding.bars:,}", first, last])
        if rows:
            names = header("symbol", "timeframe", "adjustment", "bars", "first", "last")
            self._operator.out.print(columns([names, *rows]), soft_wrap=True)
        else:
            self._say("no bars are kept yet: `sightline data fetch` and `sightline data import` put some here")
        self._operator.out.print()
        for dataset in DATASETS:
            self._say(f"packaged, --from {dataset}: {packaged_in(dataset)}")

    def import_file(self, file: Path, *, symbol: str, adjustment: str) -> None:
        """See `data.import_file`."""
        wanted = one_of(Adjustment, "--adjustment", adjustment)
        found = read_bars(file, Symbol(symbol.upper()) if symbol else None)
        series = {name: Series(name, _timeframe_of(name, bars.columns), wanted) for name, bars in found.items()}
        word = "row" if file.suffix.lower() == ".parquet" else "line"
        for name, bars in found.items():
            self._told(series[name], self._store.put(series[name], bars.columns))
            self._looked_through(series[name], bars.columns, _places(bars, word))

    def fetch(  # noqa: PLR0913 -- what the command was given
        self, symbols: Sequence[str], wanted: Wanted, *, source: str, keys: Path | None, url: str, feed: str
    ) -> None:
        """See `data.fetch`."""
        requests = [_request(symbol, wanted) for symbol in symbols]
        if source in DATASETS:
            for request in requests:
                self._keep(PackagedHistory(source), [request])
            return
        if source != _ALPACA:
            raise WrongOptionError(f"--from is alpaca or one of {', '.join(DATASETS)}, not {source!r}.")
        with closing(alpaca_of(self._operator, keys, url, feed)) as alpaca:
            for request in requests:
                start = self._start(request) if wanted.since is None else request.start
                end = min(request.end, complete_before(self._operator.clock.now(), request.timeframe, self._calendar()))
                self._keep(alpaca, list(pieces_of(replace(request, start=start, end=end))))

    def check(self, symbol: str, wanted: Wanted) -> bool:
        """See `data.check`. Returns whether nothing was found."""
        series = _series(symbol, wanted)
        found = self._store.everything(series)
        first, last = (when(moment_of(int(found.time_ns[place])), series.timeframe) for place in (0, -1))
        self._say(f"{series}: {len(found):,} bars, {first} to {last}")
        clean = self._looked_through(series, found, lambda _place: "")
        if clean:
            self._say("  nothing looks wrong")
        return clean

    def show(self, symbol: str, wanted: Wanted, *, last: int) -> None:
        """See `data.show`."""
        series, found = _series(symbol, wanted), self._store.bars(_request(symbol, wanted))
        ending = found.between(max(len(found) - last, 0), len(found))
        rows: list[list[Cell]] = [
            [
                when(bar.start, series.timeframe),
                *(f"{price:,f}" for price in (bar.open, bar.high, bar.low, bar.close)),
                f"{bar.volume:,f}",
            ]
            for bar in bars_of(series.symbol, ending, series.timeframe.seconds)
        ]
        if not rows:
            self._say(f"{series} has no bars in this time")
            return
        names = header("begins", "open", "high", "low", "close", "volume")
        self._operator.out.print(columns([names, *rows]), soft_wrap=True)
        if len(found) > len(rows):
            self._say(f"the last {len(rows):,} of {len(found):,} bars; --last shows more")

    def export(self, file: Path, symbols: Sequence[str], wanted: Wanted, *, source: str) -> None:
        """See `data.export`."""
        if source != _STORE and source not in DATASETS:
            raise WrongOptionError(f"--from is store or one of {', '.join(DATASETS)}, not {source!r}.")
        bars_from: BarSource = self._store if source == _STORE else PackagedHistory(source)
        requests = [_request(symbol, wanted) for symbol in dict.fromkeys(symbols)]
        found = {request.symbol: bars_from.bars(request) for request in requests}
        try:
            count = write_csv(file, found, requests[0].timeframe.seconds)
        except OSError as error:
            raise WrongOptionError(f"{file} cannot be written ({error.strerror or error}).") from error
        self._say(f"{file}: {count:,} bars of {', '.join(found)}")

    def _keep(self, source: BarSource, requests: Sequence[BarRequest]) -> None:
        series = _series_of(requests[0]) if requests else None
        added = changed = same = 0
        try:
            for request in requests:
                self._operator.progress.waiting([f"{series} from {when(request.start, request.timeframe)}"])
                # Each piece is kept at once: what came before a failure, or Ctrl-C, need not be fetched again.
                kept = self._store.put(_series_of(request), source.bars(request))
                added, changed, same = added + kept.added, changed + kept.changed, same + kept.same
        finally:
            self._operator.progress.waiting([])
        if series is None or not added + changed + same:
            raise UnknownSymbolError(f"There are no bars of {series or 'it'} in this time: choose another one.")
        self._told(series, Kept(added, changed, same))
        if changed and series.adjustment is not Adjustment.RAW:
            self._say(
                "  bars that were kept have changed, as after a split or a dividend: older ones may be on another"
                " scale; fetch all of them anew with --since"
            )

    def _told(self, series: Series, kept: Kept) -> None:
        self._say(f"{series}: added {kept.added:,} bars, changed {kept.changed:,}, left {kept.same:,} as they were")

    def _looked_through(self, series: Series, found: Columns, where: Callable[[int], str]) -> bool:
        try:
            findings = check(found, series.timeframe, self._calendar())
        except OutsideCalendarError as error:
            self._say(f"  not looked through: {error.detail}")
            return False
        lines = list(words_for(findings, found, series.timeframe, where))
        for line in lines[:_MOST_LINES]:
            self._say(f"  {line}")
        if len(lines) > _MOST_LINES:
            self._say(f"  and {len(lines) - _MOST_LINES:,} more")
        return findings.clean

    def _calendar(self) -> MarketCalendar:
        return MarketCalendar(self._operator.clock, first=_FIRST_DAY)

    def _start(self, request: BarRequest) -> datetime:
        try:
            return self._store.holding(_series_of(request)).last
        except (UnknownSymbolError, NotOfferedError):
            if request.timeframe is Timeframe.DAY:
                return _ALPACA_BEGINS
            return self._operator.clock.now() - _WITHIN_DAYS


def _series(symbol: str, wanted: Wanted) -> Series:
    return Series(
        Symbol(symbol.upper()),
        one_of(Timeframe, "--timeframe", wanted.timeframe),
        one_of(Adjustment, "--adjustment", wanted.adjustment),
    )


def _request(symbol: str, wanted: Wanted) -> BarRequest:
    series = _series(symbol, wanted)
    return BarRequest(
        symbol=series.symbol,
        start=EARLIEST if wanted.since is None else daily_start(wanted.since.date()),
        end=LATEST if wanted.until is None else daily_start(wanted.until.date()),
        timeframe=series.timeframe,
        adjustment=series.adjustment,
    )


def _series_of(request: BarRequest) -> Series:
    return Series(request.symbol, request.timeframe, request.adjustment)


def _places(bars: FileBars, word: str) -> Callable[[int], str]:
    return lambda place: f"{word} {bars.places[place]}"


def _timeframe_of(symbol: Symbol, found: Columns) -> Timeframe:
    seconds = seconds_of(found)
    for timeframe in Timeframe:
        if timeframe.seconds == seconds:
            return timeframe
    raise NotOfferedError(
        f"The bars of {symbol} are {seconds:,} s apart, which is none of {', '.join(Timeframe)}. Nothing was kept."
    )
