"""What every `ArtifactStore` promises: memory, a directory, a real S3 server, and a store that passes calls on."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.adapters.s3 import S3Artifacts
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.ports import ArtifactStore
from fedface_core.runtime.metrics import CountedArtifacts

KEY = "runs/run-0123456789ab/rounds/1/updates/client-000001.safetensors"


@pytest.fixture(params=["memory", "counted", "directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    match request.param:
        case "memory":
            return MemoryArtifacts()
        case "counted":
            return CountedArtifacts(MemoryArtifacts())
        case "directory":
            return LocalArtifacts(tmp_path / "artifacts")
        case _:
            s3: ArtifactStore = request.getfixturevalue("s3_server").artifacts()
            s3.delete_all(s3.keys(""))
            return s3


def test_get_returns_what_was_put(store: ArtifactStore) -> None:
    data = bytes(range(256)) * 10
    store.put(KEY, data)
    assert store.get(KEY) == data
    assert store.size(KEY) == len(data)


def test_an_empty_object_is_an_object(store: ArtifactStore) -> None:
    store.put(KEY, b"")
    assert store.get(KEY) == b""
    assert store.size(KEY) == 0


def test_an_object_larger_than_a_part_comes_back_whole(store: ArtifactStore) -> None:
    data = bytes(range(251)) * (12 * 2**20 // 251)  # S3 clients split objects above 5 MiB by default
    store.put(KEY, data)
    assert store.get(KEY) == data
    assert store.get_range(KEY, len(data) - 251, 251) == bytes(range(251))


def test_put_replaces(store: ArtifactStore) -> None:
    store.put(KEY, b"old and longer")
    store.put(KEY, b"new")
    assert store.get(KEY) == b"new"
    assert store.keys("runs/") == [KEY]


def test_a_put_once_stores_the_first_object_and_replaces_none(store: ArtifactStore) -> None:
    assert store.put_once(KEY, b"the ", memoryview(b"first"))
    assert not store.put_once(KEY, b"the first")
    assert not store.put_once(KEY, b"another")
    assert store.get(KEY) == b"the first"
    store.delete(KEY)
    assert store.put_once(KEY, b"")
    assert not store.put_once(KEY, b"another")
    assert store.get(KEY) == b""
    store.put(KEY, b"replaced")
    assert store.get(KEY) == b"replaced"
    assert store.keys("") == [KEY]
    with pytest.raises(InvalidInputError, match="artifact key"):
        store.put_once("../x", b"")


def test_of_puts_once_at_the_same_time_one_stores_its_object(store: ArtifactStore) -> None:
    everybody = 6
    for turn in range(8):
        key = f"{KEY}.{turn}"
        start = threading.Barrier(everybody)

        def put(number: int, key: str = key, start: threading.Barrier = start) -> bool:
            start.wait()
            return store.put_once(key, str(number).encode())

        with ThreadPoolExecutor(everybody) as pool:
            stored = list(pool.map(put, range(everybody)))
        assert sum(stored) == 1
        assert store.get(key) == str(stored.index(True)).encode()


@pytest.mark.parametrize("key", [KEY, "a", "runs"])
def test_a_missing_object_is_named(store: ArtifactStore, key: str) -> None:
    store.put("runs/run-0123456789ab/plan.json", b"{}")
    for read in (store.get, store.size, lambda missing: store.get_range(missing, 0, 1)):
        with pytest.raises(ArtifactMissingError, match=key):
            read(key)


def test_ranges(store: ArtifactStore) -> None:
    store.put(KEY, b"0123456789")
    assert store.get_range(KEY, 0, 1) == b"0"
    assert store.get_range(KEY, 3, 4) == b"3456"
    assert store.get_range(KEY, 0, 10) == b"0123456789"
    assert store.get_range(KEY, 8, 100) == b"89"


def test_a_read_into_a_buffer_fills_it_and_returns_the_size_of_the_object(store: ArtifactStore) -> None:
    store.put(KEY, b"0123456789")
    buffer = bytearray(b"." * 6)
    assert store.read_into(KEY, 0, buffer) == 10
    assert buffer == b"012345"
    assert store.read_into(KEY, 7, memoryview(buffer)[1:]) == 10
    assert buffer == b"078945"
    for start in (10, 11):
        assert store.read_into(KEY, start, buffer) == 10
        assert buffer == b"078945"
    store.put(KEY, b"")
    assert store.read_into(KEY, 0, buffer) == 0
    with pytest.raises(ArtifactMissingError, match="nothing"):
        store.read_into("nothing", 0, buffer)
    with pytest.raises(InvalidInputError, match="artifact key"):
        store.read_into("../x", 0, buffer)
    with pytest.raises(InvalidInputError, match="cannot read 0 bytes"):
        store.read_into(KEY, 0, bytearray())


def test_a_large_object_is_read_into_a_buffer_that_is_used_again(store: ArtifactStore) -> None:
    data = bytes(range(251)) * (3 * 2**20 // 251)
    store.put(KEY, data)
    buffer = bytearray(2**20)
    read = bytearray()
    for start in range(0, len(data), len(buffer)):
        assert store.read_into(KEY, start, buffer) == len(data)
        read += buffer[: len(data) - start]
    assert read == data


def test_an_object_may_be_put_in_parts(store: ArtifactStore) -> None:
    large = bytes(range(251)) * (70 * 2**20 // 251)
    parts: list[bytes | memoryview] = [b"head", memoryview(large), b"", memoryview(b"tail")]
    store.put(KEY, *parts)
    assert store.get(KEY) == b"".join(parts)
    store.put(KEY, b"a", b"b")
    assert store.get(KEY) == b"ab"
    assert store.keys("") == [KEY]


@pytest.mark.parametrize(("start", "length"), [(10, 1), (11, 1), (1000, 5), (-1, 2), (0, 0), (3, -1)])
def test_ranges_outside_the_object_are_refused(store: ArtifactStore, start: int, length: int) -> None:
    store.put(KEY, b"0123456789")
    with pytest.raises(InvalidInputError, match=KEY):
        store.get_range(KEY, start, length)


def test_keys_are_listed_by_prefix_and_sorted(store: ArtifactStore) -> None:
    runs = ["runs/run-1/plan.json", "runs/run-10/plan.json"]
    names = ["models/b.safetensors", "models/a.safetensors", "models-of-others/c", *runs]
    for name in names:
        store.put(name, b"x")
    assert store.keys("") == sorted(names)
    assert store.keys("models/") == ["models/a.safetensors", "models/b.safetensors"]
    assert store.keys("models/a") == ["models/a.safetensors"]
    assert store.keys("runs/run-1") == runs
    assert store.keys("runs/run-1/") == runs[:1]
    assert store.keys("nothing/here/") == []


def test_delete_removes_and_may_be_repeated(store: ArtifactStore) -> None:
    store.put(KEY, b"x")
    store.delete(KEY)
    store.delete(KEY)
    store.delete("never/was")
    assert store.keys("") == []
    with pytest.raises(ArtifactMissingError):
        store.get(KEY)


def test_many_are_removed_at_once(store: ArtifactStore) -> None:
    many = [f"runs/run-0123456789ab/rounds/1/updates/{index}" for index in range(1100)]
    for key in (*many[:5], *many[-5:], KEY):
        store.put(key, b"here")
    store.delete_all(many)  # most of them do not exist
    assert store.keys("runs/") == [KEY]
    store.delete_all([])
    with pytest.raises(InvalidInputError):
        store.delete_all(["../outside"])


def test_many_objects_are_put_each_under_its_key(store: ArtifactStore) -> None:
    many = {f"runs/run-0/rows/{index:04d}.f32": (bytes([index % 256]) * 9, memoryview(b"end")) for index in range(50)}
    store.put_all(many)
    assert store.keys("") == sorted(many)
    assert [store.get(key) for key in many] == [b"".join(parts) for parts in many.values()]
    store.put_all(dict.fromkeys(many, (b"new",)))
    assert {store.get(key) for key in many} == {b"new"}
    store.put_all({})
    with pytest.raises(InvalidInputError, match="artifact key"):
        store.put_all({"../outside": (b"x",)})


UPWARDS = ["/etc/passwd", "../x", "a/../../x", "a/..", "./a", "a/./b"]
MALFORMED = ["", "a//b", "a/", "a\\b", "a b", "a\n", "~a", "ä", "a\0b", "a?x=1"]


@pytest.mark.parametrize("key", UPWARDS + MALFORMED)
def test_other_keys_are_refused(store: ArtifactStore, key: str) -> None:
    with pytest.raises(InvalidInputError, match="artifact key"):
        store.put(key, b"x")
    with pytest.raises(InvalidInputError, match="artifact key"):
        store.get_range(key, 0, 1)
    for use in (store.get, store.size, store.delete):
        with pytest.raises(InvalidInputError, match="artifact key"):
            use(key)


def test_dots_inside_a_segment_are_allowed(store: ArtifactStore) -> None:
    for key in ("a..b", "..a", ".a", "a/...", "v1.2/-_"):
        store.put(key, key.encode())
        assert store.get(key) == key.encode()


@pytest.mark.parametrize("prefix", ["/", "../", "a/../b", "a//", "a b", "~"])
def test_prefixes_that_no_key_has_are_refused(store: ArtifactStore, prefix: str) -> None:
    with pytest.raises(InvalidInputError, match="prefix"):
        store.keys(prefix)


def test_readers_see_the_old_object_or_the_new_one_never_a_part(store: ArtifactStore) -> None:
    versions = [bytes([value]) * (300_000 + value) for value in range(6)]
    store.put(KEY, versions[0])
    done = threading.Event()

    def read() -> set[bytes]:
        seen = set()
        while not done.is_set():
            seen.add(store.get(KEY))
            assert store.keys("") == [KEY]
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for version in versions[1:] * 2:
                store.put(KEY, version)
        finally:
            done.set()
        seen = set[bytes]().union(*(reader.result() for reader in readers))
    assert seen <= set(versions)
    assert store.get(KEY) == versions[-1]


def test_ping_of_a_store_that_works(store: ArtifactStore) -> None:
    store.ping()
    assert store.keys("") == []


def test_an_object_is_dated_by_the_stores_own_clock_when_it_is_put(store: ArtifactStore) -> None:
    def modified() -> datetime:
        (stored,) = store.page("", "", 10)
        assert stored.key == KEY
        return stored.modified

    whole_seconds = isinstance(store, S3Artifacts)
    precision = timedelta(seconds=1 if whole_seconds else 0.05)
    before = store.now()
    assert before.utcoffset() == timedelta(0)
    store.put(KEY, b"1")
    first = modified()
    assert before - precision <= first <= store.now() + precision
    assert abs(store.now() - datetime.now(UTC)) < timedelta(seconds=60), "the servers of the tests are on this machine"
    time.sleep(1.1 if whole_seconds else 0.05)
    assert store.now() > before
    assert modified() == first < store.now(), "the object keeps its date"
    store.put(KEY, b"1")
    assert modified() > first, "put again, it is new again"
    assert store.keys("") == [KEY], "to ask for the time leaves nothing"


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_have_every_object_once_and_in_order(store: ArtifactStore, limit: int) -> None:
    sha256s = [digit * 64 for digit in "04cef"]
    names = ["claims/earlier-runs", *(f"claims/{sha256}/run-{number}" for sha256 in sha256s for number in (1, 10, 2))]
    names += [f"models/{sha256}.safetensors" for sha256 in sha256s]
    names += [f"runs/run-1/rounds/{number}/manifest.json" for number in (1, 10, 2)] + ["runs/run-1/run.json"]
    for name in names:
        store.put(name, b"x")
    assert pages(store, "", limit) == sorted(names)
    assert pages(store, "claims/", limit) == [name for name in sorted(names) if name.startswith("claims/")]
    assert pages(store, f"claims/{'c' * 64}/", limit) == [f"claims/{'c' * 64}/run-{number}" for number in (1, 10, 2)]
    assert pages(store, "models/e", limit) == [f"models/{'e' * 64}.safetensors"]
    assert pages(store, "runs/run-1/r", limit) == sorted(names)[-4:]


def pages(store: ArtifactStore, prefix: str, limit: int) -> list[str]:
    """The keys of all pages."""
    keys: list[str] = []
    while page := store.page(prefix, keys[-1] if keys else "", limit):
        assert len(page) <= limit
        keys += [stored.key for stored in page]
    return keys


@pytest.mark.parametrize(
    ("prefix", "after", "expected"),
    [
        ("", "b/1/-", ["b/1/x", "b/2/y", "c/z"]),
        ("", "b/1/xx", ["b/2/y", "c/z"]),
        ("", "b/3/y", ["c/z"]),
        ("", "c/z/deeper", []),
        ("b/", "a", ["b/1/x", "b/2/y"]),
        ("b/", "b/1/-", ["b/1/x", "b/2/y"]),
        ("b/2", "b/1/x", ["b/2/y"]),
        ("b/1/", "", ["b/1/x"]),
        ("b/", "b/2/y", []),
        ("b/", "c/z", []),
        ("b/1/", "b/2/y", []),
        ("nothing/", "", []),
        ("c/z/", "", []),
    ],
)
def test_a_page_begins_after_a_key_that_need_not_be_there(
    store: ArtifactStore, prefix: str, after: str, expected: list[str]
) -> None:
    for name in ("a", "b/1/x", "b/2/y", "c/z"):
        store.put(name, b"x")
    assert [stored.key for stored in store.page(prefix, after, 10)] == expected


def test_pages_go_on_though_objects_come_and_go(store: ArtifactStore) -> None:
    for name in ("a/1", "a/2", "b/1", "b/2"):
        store.put(name, b"x")
    assert [stored.key for stored in store.page("", "", 2)] == ["a/1", "a/2"]
    for name in ("a/1", "a/2", "b/1"):
        store.delete(name)
    store.put("c/1", b"x")
    assert [stored.key for stored in store.page("", "a/2", 2)] == ["b/2", "c/1"]
    assert store.page("", "c/1", 2) == []


def test_a_page_may_be_larger_than_one_answer_of_a_server(store: ArtifactStore) -> None:
    names = [f"a/{number:04d}" for number in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(name, b""), names))
    assert [stored.key for stored in store.page("", "", 1050)] == names[:1050]
    assert [stored.key for stored in store.page("", names[1049], 1050)] == names[1050:]
    store.delete_all(names)
    assert store.keys("") == []


@pytest.mark.parametrize(("prefix", "after"), [("../", ""), ("a//", ""), ("", "../x"), ("", "a/"), ("", "a b")])
def test_a_page_of_no_possible_keys_is_refused(store: ArtifactStore, prefix: str, after: str) -> None:
    with pytest.raises(InvalidInputError, match="artifact key"):
        store.page(prefix, after, 1)


def test_a_deleted_folder_leaves_nothing_in_the_directory(tmp_path: Path) -> None:
    store = LocalArtifacts(tmp_path)
    store.put("runs/a/rounds/1/report.json", b"1")
    store.put("runs/a/run.json", b"2")
    store.delete("runs/a/rounds/1/report.json")
    assert [path.name for path in (tmp_path / "runs" / "a").iterdir()] == ["run.json"]
    store.delete("runs/a/run.json")
    assert [path.name for path in tmp_path.iterdir()] == ["~incoming"]


def test_puts_and_deletes_in_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = LocalArtifacts(tmp_path)

    def come_and_go(writer: int) -> None:
        for _ in range(100):
            store.put(f"runs/a/{writer}", b"x")
            store.delete(f"runs/a/{writer}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    assert [path.name for path in tmp_path.iterdir()] == ["~incoming"]
