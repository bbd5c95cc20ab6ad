"""Files of bars, CSV and Parquet: read whole, held to what bars must be, refused in words that say where and why.

A file has a column for the time (a date for daily bars, else a moment with its offset from UTC), the columns open,
high, low, close and volume, and perhaps one for the symbol. Further columns and the order of them all do not matter.
The bars of a symbol are sorted by time.
"""

from pathlib import Path

from services.contracts.market import Symbol
from services.kit.bar_csv import read_csv
from services.kit.bar_file_errors import BarFileMissingError, NotABarFileError, Place
from services.kit.bar_parquet import read_parquet
from services.kit.bar_rows import FileBars, bars_in


def read_bars(path: Path, symbol: Symbol | None = None) -> dict[Symbol, FileBars]:
    """The bars of each symbol in a file, oldest first.

    Args:
        path: A file that ends in .csv, .csv.gz or .parquet.
        symbol: Whose bars they are, for a file without a column of symbols that is not named after one (AAPL.csv); for
            one with such a column, the only symbol that is wanted.

    Raises:
        BarFileError: The file cannot be used; its subclasses say why.
    """
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            return bars_in(read_parquet(path), symbol)
        if name.endswith((".csv", ".csv.gz")):
            return bars_in(read_csv(path), symbol)
    except FileNotFoundError:
        raise BarFileMissingError(Place(path), "there is no such file") from None
    except OSError as error:
        raise BarFileMissingError(Place(path), f"it cannot be read ({error.strerror or error})") from error
    raise NotABarFileError(Place(path), "its name must end in .csv, .csv.gz or .parquet")
