"""Each identity sends every command that the server has, and what it may use, on every key: the table is all that is served.

The server lists its commands and says of each whether it reads or writes its key. What the table allows is worked out here
a second time, so the users file and the server are compared with it in both directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from fedface_core.access.permissions import Identity, RedisGrant
from fedface_core.access.secret_names import with_redis_user
from fedface_core.access.table import TABLE
from fedface_core.adapters.redis.keys import ACTIVE, RUNS, round_keys, run_keys
from fedface_core.contracts.broker_keys import DEAD_LETTERS, NOTHING, binding_keys, delayed_keys, unacked_keys
from fedface_core.contracts.tasks import CLIENT, QUEUES
from support.guarded_servers import Broker

RUN = "run-0123456789ab"
FREE_FOR_ALL = "no_auth"
"""The flag of commands that need no sign-in: AUTH, HELLO, QUIT, RESET."""
WRITES = {"insert", "update", "delete"}
KEYS = (
    *(RUNS, ACTIVE, NOTHING, DEAD_LETTERS, *run_keys(RUN), *round_keys(RUN, 12)),
    *(key for queue in QUEUES for key in (queue, *unacked_keys(queue).values(), *binding_keys(queue), *delayed_keys(queue))),
    *("unacked", "unacked_index", "unacked_mutex", "celery", "fedface:other", f"fedface:{{{RUN}}}:other", "anything", ""),
)


@dataclass(frozen=True)
class Command:
    """A command of the server, ``container|part`` for a part of another, and what it does with its key."""

    name: str
    arguments: int
    has_key: bool
    reads: bool
    writes: bool
    free: bool
    categories: frozenset[str]

    def is_in(self, grant: RedisGrant) -> bool:
        """Whether the grant names this command, or a category that has it and none that it leaves out."""
        if self.name in grant.commands:
            return True
        return bool(self.categories & {*grant.commands}) and not self.categories & {*grant.without}

    def sent(self, key: str | None) -> list[str]:
        """The command with as many arguments as it needs, of which none makes sense but the key."""
        words = self.name.split("|")
        if self.name in ("eval", "evalsha"):
            return [self.name, "return 1", "1", key or ""]
        if self.name == "brpop":
            return [self.name, key or "", "0.001"]
        given = [] if key is None else [key]
        return words + given + ["1"] * (self.arguments - len(words) - len(given))


def commands(entries: Sequence[Any]) -> Iterator[Command]:
    for name, arity, flags, _first, _last, _step, categories, _tips, specifications, parts in entries:
        yield from commands(parts)
        if parts and abs(arity) > 1:  # the name alone is no command
            continue
        used = {flag.decode() for one in specifications for flag in one[b"flags"]}
        yield Command(
            name.decode(),
            abs(arity),
            bool(specifications),
            "access" in used,
            bool(used & WRITES),
            FREE_FOR_ALL.encode() in flags,
            frozenset(category.decode() for category in categories),
        )


@pytest.fixture
def served(broker: Broker) -> list[Command]:
    """Every command of the server."""
    with closing(broker.operator()) as operator:
        connection: Any = operator.connection_pool.get_connection()
        connection.encoder.decode_responses = False
        connection.send_command("COMMAND", NEVER_DECODE=True)
        return list(commands(connection.read_response(disable_decoding=True)))


def answer(connection: redis.Connection) -> str:
    """What the server says to the next command: its refusal, or nothing of interest."""
    try:
        connection.read_response()
    except ResponseError as error:
        return f"{type(error).__name__} {error}"
    return "served"


def refused(broker: Broker, identity: Identity, sent: Sequence[Sequence[str]]) -> list[bool]:
    """Of each command, whether the server says that this identity may not use it. Nothing else that it says matters."""
    answers: list[str] = []
    with closing(broker.connect(identity)) as own:
        connection: Any = own.connection_pool.get_connection()
        for first in range(0, len(sent), 500):
            part = sent[first : first + 500]
            connection.send_packed_command(connection.pack_commands(part))
            answers += [answer(connection) for _ in part]
    assert not [text for text in answers if "wrong number of arguments" in text], "nobody's rights were asked"
    # DEBUG and MODULE are switched off for everybody.
    return [text.startswith("NoPermissionError") or "not allowed. If the enable-" in text for text in answers]


def matches(grant: RedisGrant, command: Command, key: str) -> bool:
    patterns = {*grant.reads, *grant.writes}
    patterns &= {*grant.reads} if command.reads else patterns
    patterns &= {*grant.writes} if command.writes else patterns
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def test_the_server_says_what_its_commands_do(served: list[Command]) -> None:
    by_name = {command.name: command for command in served}
    assert len(by_name) > 300
    granted = {name for permissions in TABLE.values() for grant in permissions.redis for name in grant.commands}
    assert granted <= by_name.keys() | {category for command in served for category in command.categories}
    waiting = next(grant for grant in TABLE[Identity.CONTROL].redis if grant.without)
    assert {command.name for command in served if command.is_in(waiting)} <= {"wait", "waitaof"}
    assert (by_name["get"].reads, by_name["get"].writes) == (True, False)
    assert (by_name["lpush"].reads, by_name["lpush"].writes) == (False, True)
    assert (by_name["eval"].reads, by_name["eval"].writes) == (True, True)


@pytest.mark.parametrize("identity", with_redis_user())
def test_no_command_is_served_that_is_not_in_the_table(broker: Broker, served: list[Command], identity: Identity) -> None:
    grants = TABLE[identity].redis
    forbidden = [command for command in served if not any(map(command.is_in, grants)) and not command.free]
    own_key = next(key for grant in TABLE[identity].redis for key in grant.writes)
    sent = [command.sent(own_key if command.has_key else None) for command in forbidden]
    answers = refused(broker, identity, sent)
    assert [" ".join(words) for words, answer in zip(sent, answers, strict=True) if not answer] == []
    assert len(forbidden) > 200


@pytest.mark.parametrize("identity", with_redis_user())
def test_a_command_is_served_on_the_keys_of_its_grant_alone(
    broker: Broker, served: list[Command], identity: Identity
) -> None:
    grants = TABLE[identity].redis
    allowed = [command for command in served if any(map(command.is_in, grants)) and command.has_key]
    tried = [(command, key) for command in allowed for key in KEYS]
    answers = refused(broker, identity, [command.sent(key) for command, key in tried])
    expected = [not any(command.is_in(grant) and matches(grant, command, key) for grant in grants) for command, key in tried]
    wrong = [
        f"{command.name} {key!r} is {'refused' if answer else 'served'}"
        for (command, key), answer, right in zip(tried, answers, expected, strict=True)
        if answer != right
    ]
    assert wrong == []
    assert True in expected
    assert False in expected


@pytest.mark.parametrize("identity", with_redis_user())
def test_what_needs_no_key_is_served_if_the_table_says_so(broker: Broker, served: list[Command], identity: Identity) -> None:
    grants = TABLE[identity].redis
    keyless = [command for command in served if any(map(command.is_in, grants)) and not command.has_key]
    assert {"ping", "info", "time", "multi", "exec"} <= {command.name for command in keyless}
    assert not any(refused(broker, identity, [command.sent(None) for command in keyless]))


def test_the_commands_of_one_grant_cannot_be_used_on_the_keys_of_another_at_once(broker: Broker) -> None:
    accepted = round_keys(RUN, 1).accepted
    script = "return redis.call('HSET', KEYS[1], 'a', redis.call('LLEN', KEYS[2]))"
    sent = [["eval", "return 1", "1", CLIENT], ["hset", accepted, "a", "1"], ["eval", script, "2", accepted, CLIENT]]
    assert refused(broker, Identity.CLIENT, sent) == [False, False, True]


def test_who_gives_another_services_password_is_nobody(broker: Broker) -> None:
    for identity in with_redis_user():
        for other in {*with_redis_user()} - {identity}:
            url = broker.url(identity).replace(f"//{identity}:", f"//{other}:")
            with closing(redis.Redis.from_url(url)) as own, pytest.raises(redis.AuthenticationError):
                own.ping()
