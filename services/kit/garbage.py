"""How often Python looks for objects that refer to each other in circles and to which nothing else refers."""

import gc
from typing import Final

_NEW_OBJECTS: Final = 50_000


def collect_seldom() -> None:
    """Leave out of every later collection what there is now, and collect less often; called once all is built.

    By default Python collects whenever 700 objects have come. An order makes thousands, of which counting references
    frees nearly all, and a collection of everything stops all threads for a tenth of a second, mostly to walk over
    modules that never go.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
