"""The same work by vectorbt: run by a Python that has it, over arrays in a file; prints one line of figures.

`python backtest_vectorbt.py FILE.npz ROUNDS`: seconds of the fastest run but the first, which compiles; the most memory
in MiB, and the number of fills.
"""

import sys
import time
from pathlib import Path

import numpy as np
import vectorbt  # only in an environment of its own: its licence does not go with ours


def main() -> None:
    """Measure."""
    data = np.load(sys.argv[1])
    seconds = []
    fills = 0
    for _ in range(int(sys.argv[2]) + 1):
        before = time.perf_counter()
        portfolio = vectorbt.Portfolio.from_signals(
            data["close"],
            data["entries"],
            data["exits"],
            price=data["open"],
            open=data["open"],
            high=data["high"],
            low=data["low"],
            size=100.0,
            init_cash=1e6,
            slippage=0.0002,
            fixed_fees=1.0,
            sl_stop=0.05,
            tp_stop=0.1,
        )
        portfolio.value()
        fills = len(portfolio.orders.values)
        seconds.append(time.perf_counter() - before)
    # Not `getrusage`, which includes the memory of whoever started this.
    memory = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    print(min(seconds[1:]), memory, fills)


if __name__ == "__main__":
    main()
