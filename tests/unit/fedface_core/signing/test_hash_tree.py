"""A path leads from its own leaf to the root, and from nothing else."""

from __future__ import annotations

import hashlib

import pytest

from fedface_core.signing.hash_tree import HASH_BYTES, leaf, root_and_paths, root_of

COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 33]


def leaves(count: int) -> list[bytes]:
    return [leaf(b"object %d" % index) for index in range(count)]


@pytest.mark.parametrize("count", COUNTS)
def test_every_leaf_has_a_short_path_to_the_root(count: int) -> None:
    root, paths = root_and_paths(leaves(count))
    assert len(root) == HASH_BYTES
    for own, path in zip(leaves(count), paths, strict=True):
        assert root_of(own, path) == root
        assert len(path) % HASH_BYTES == 0
        assert len(path) // HASH_BYTES <= (count - 1).bit_length()


@pytest.mark.parametrize("count", COUNTS)
def test_no_path_leads_there_from_another_leaf(count: int) -> None:
    root, paths = root_and_paths(leaves(count))
    for index, path in enumerate(paths):
        for other, own in enumerate([*leaves(count), leaf(b"another")]):
            assert (root_of(own, path) == root) == (other == index)


@pytest.mark.parametrize("count", COUNTS[1:])
def test_a_changed_path_leads_elsewhere(count: int) -> None:
    root, paths = root_and_paths(leaves(count))
    for own, path in zip(leaves(count), paths, strict=True):
        changed = (path[HASH_BYTES:], path[:-HASH_BYTES], path[:-1], path + path[:HASH_BYTES], path[:-1] + b"?", b"")
        for wrong in changed:
            assert wrong == path or root_of(own, wrong) != root


def test_a_node_is_no_leaf() -> None:
    """Else whoever names an object as the two hashes of a node would have it signed."""
    first, second = leaves(2)
    root, _ = root_and_paths([first, second])
    pair = min(first, second) + max(first, second)
    assert root == hashlib.sha256(b"\1" + pair).digest()
    assert leaf(pair) != root


def test_other_leaves_have_another_root() -> None:
    assert len({root_and_paths(leaves(count))[0] for count in range(1, 40)}) == 39
    swapped = leaves(4)
    swapped[1], swapped[2] = swapped[2], swapped[1]
    assert root_and_paths(swapped)[0] != root_and_paths(leaves(4))[0]
