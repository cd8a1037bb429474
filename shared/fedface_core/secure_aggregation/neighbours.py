"""The neighbours of each client of a shard: a random graph in which each has equally many.

Bell et al. (CCS 2020), section 3: the clients are put on a circle in a random order, and each is a neighbour of the
``degree``/2 on either side of it (a Harary graph). All clients draw the same graph from the same public seed.
"""

from __future__ import annotations

import hashlib


def draw_neighbours(seed: bytes, size: int, degree: int) -> tuple[tuple[int, ...], ...]:
    """For each of ``size`` clients, counted from 0, the indices of its neighbours in order.

    ``degree`` is even, or ``size`` − 1: then all are neighbours of all. The order on the circle is that of the hashes of
    seed and index.
    """
    assert 0 < degree < size, "a client has one neighbour at least, and is none of its own"
    assert degree % 2 == 0 or degree == size - 1, "as many on one side as on the other"
    if degree == size - 1:
        return tuple(tuple(other for other in range(size) if other != one) for one in range(size))
    circle = sorted(range(size), key=lambda index: hashlib.sha256(seed + index.to_bytes(4, "big")).digest())
    steps = [step for step in range(-(degree // 2), degree // 2 + 1) if step]
    place = {client: at for at, client in enumerate(circle)}
    return tuple(tuple(sorted(circle[(place[client] + step) % size] for step in steps)) for client in range(size))
