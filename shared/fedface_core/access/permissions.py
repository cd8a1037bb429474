"""What a service may do, in terms that both the rules of servers and the table in the documentation are made from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Identity(StrEnum):
    """Who connects to Redis and S3. The value is the user name in Redis and the access key in S3."""

    CONTROL = "control"
    """The API."""
    SWEEP = "sweep"
    """Control's worker, which changes phases and removes what is not needed."""
    CLIENT = "client"
    """A worker that simulates clients."""
    AGGREGATOR = "aggregator"
    EVALUATOR = "evaluator"
    METRICS = "metrics"
    """Prometheus, which scrapes the other services and needs neither Redis nor S3."""
    GATEWAY = "gateway"
    """What devices will connect to. No such service exists yet, so it may do nothing."""


@dataclass(frozen=True)
class RedisGrant:
    """Commands of Redis that may be used on these keys, and on no others.

    ``commands`` may name a category, such as ``@blocking``: so a command can be granted that some servers do not know, whose
    name they would refuse in the users file. ``without`` names categories whose commands are not granted.
    ``reads`` and ``writes`` are patterns of Redis. A key in both may be read and written; so may the keys of a script, which
    Redis cannot tell apart.
    """

    what: str
    commands: tuple[str, ...]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoreGrant:
    """Kinds of artifacts that may be read and put. ``lists_and_removes``: all keys may be listed, and any object removed."""

    reads: tuple[str, ...] = ()
    puts: tuple[str, ...] = ()
    lists_and_removes: bool = False


@dataclass(frozen=True)
class Permissions:
    """What one identity may do. Without a grant in Redis it has no user there, and without a grant in S3 no key."""

    redis: tuple[RedisGrant, ...] = ()
    store: StoreGrant | None = None
