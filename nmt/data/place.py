"""Which process this is among those that train together: what a loader must know to give it its share."""

from typing import NamedTuple


class Place(NamedTuple):
    """One of `ranks` processes; by default the only one, on a CPU."""

    rank: int = 0
    ranks: int = 1
    on_gpu: bool = False  # batches are pinned, so that they are copied there while it computes


ALONE = Place()
