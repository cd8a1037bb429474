"""A tree of hashes (Merkle tree) over objects that are put together: who signs its root has signed each object.

An object is a leaf. Its path is the hashes from which, with its own, the root is computed: at most ⌈log₂ n⌉ for n objects.
Leaves and nodes are hashed with different first bytes, as RFC 6962 does it, so that no node can stand for an object. The two
hashes of a node are sorted, so a path need not say on which side of a node it comes from: a leaf says itself what it is of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

HASH_BYTES: Final = 32
_LEAF: Final = b"\0"
_NODE: Final = b"\1"


def leaf(statement: bytes) -> bytes:
    """The hash of what is stated of one object."""
    return hashlib.sha256(_LEAF + statement).digest()


def root_and_paths(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The root over one or more leaves, and the path of each leaf: hashes of `HASH_BYTES`, from the leaf upwards."""
    paths = [bytearray() for _ in leaves]
    nodes = list(leaves)
    height = 0
    while len(nodes) > 1:
        for index, path in enumerate(paths):
            beside = (index >> height) ^ 1
            if beside < len(nodes):  # else the last node has none beside it, and is a node of the next level as it is
                path += nodes[beside]
        pairs = [nodes[index : index + 2] for index in range(0, len(nodes), 2)]
        nodes = [_node(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        height += 1
    return nodes[0], [bytes(path) for path in paths]


def root_of(own: bytes, path: bytes) -> bytes:
    """The root to which this path leads from a leaf."""
    for start in range(0, len(path), HASH_BYTES):
        own = _node(own, path[start : start + HASH_BYTES])
    return own


def _node(one: bytes, other: bytes) -> bytes:
    return hashlib.sha256(_NODE + min(one, other) + max(one, other)).digest()
