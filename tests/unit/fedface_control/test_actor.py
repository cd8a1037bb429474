"""Who acts is known where it is asked for, and nowhere else."""

from __future__ import annotations

import anyio
import anyio.to_thread

from fedface_control.actor import acting_as, actor, by_actor, own_key
from fedface_core.domain.run import shown_key


def test_who_acts_is_known_until_the_block_ends() -> None:
    assert (actor(), by_actor()) == (None, {})
    with acting_as("key:ann"):
        assert (actor(), by_actor()) == ("key:ann", {"actor": "key:ann"})
        with acting_as(None):
            assert actor() is None
        assert actor() == "key:ann"
    assert actor() is None


def test_threads_that_are_started_from_there_know_it() -> None:
    async def asked() -> str | None:
        with acting_as("key:ann"):
            return await anyio.to_thread.run_sync(actor)

    assert anyio.run(asked) == "key:ann"


def test_two_requests_at_once_have_an_actor_each() -> None:
    async def asked() -> list[str | None]:
        found: list[str | None] = []

        async def request(name: str) -> None:
            with acting_as(name):
                await anyio.sleep(0.001)
                found.append(actor())

        async with anyio.create_task_group() as group:
            for name in ("key:ann", "key:ben"):
                group.start_soon(request, name)
        return found

    assert sorted(filter(None, anyio.run(asked))) == ["key:ann", "key:ben"]


def test_the_keys_of_two_actors_never_meet() -> None:
    def key_of(name: str | None, key: str) -> str | None:
        with acting_as(name):
            return own_key(key)

    keys = {key_of(name, key) for name in (None, "key:a", "key:a b", "oidc:a") for key in ("k", "a b", "key:a")}
    assert len(keys) == 12
    assert {shown_key(key or "") for key in keys} == {"k", "a b", "key:a"}
    assert own_key(None) is None
    assert own_key("k") == "k", "as before there were actors"
