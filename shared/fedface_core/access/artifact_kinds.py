"""The kinds of artifacts, each with the pattern of its keys in a policy. Each ``*`` stands for one part of a key.

`fedface_core.contracts.object_keys` makes the keys. A test checks that each key matches the pattern of its own kind alone.

In a policy of S3, ``*`` stands for any characters, also ``/``. So who may put ``runs/*/rounds/*/updates/*`` may also put
``runs/R/rounds/1/manifest.json/updates/x``, in a store of folders a folder in the place of the manifest. `too_long` are the
patterns of such keys, which policies deny.
"""

from __future__ import annotations

from typing import Final

PATTERNS: Final = {
    "run": "runs/*/run.json",
    "manifest": "runs/*/rounds/*/manifest.json",
    "update": "runs/*/rounds/*/updates/*",
    "partial": "runs/*/rounds/*/partials/*",
    "aggregation": "runs/*/rounds/*/aggregations/*",
    "report": "runs/*/rounds/*/report.json",
    "class_embedding": "runs/*/class_embeddings/*",
    "row": "runs/*/rows/*/*",
    "residual": "runs/*/residuals/*/*/*",
    "identity_list": "runs/*/identity_lists/*",
    "server_state": "runs/*/server_state/*",
    "guidance": "runs/*/guidance/*",
    "device": "runs/*/devices/*",
    "journal": "runs/*/journals/*/*",
    "key_bundle": "runs/*/rounds/*/key_bundles/*",
    "received_share": "runs/*/rounds/*/received_shares/*/*",
    "roster": "runs/*/rounds/*/rosters/*",
    "accepted_set": "runs/*/rounds/*/accepted_sets/*",
    "signature": "runs/*/rounds/*/signatures/*",
    "revelation": "runs/*/rounds/*/revelations/*",
    "model": "models/*",
    "claim": "claims/*/*",
    "earlier_runs": "claims/earlier-runs",
    "upload": "uploads/*",
    "clock": "clock",
}
"""Kind of artifact, as `fedface_core.contracts.object_keys.kind` names it → the pattern of its keys.

``earlier_runs`` is the one mark among the claims that is none. ``clock`` is no artifact: the store is asked for this key,
which nobody puts, to see the date of the answer.
"""


def too_long(kind: str) -> list[str]:
    """The patterns of the keys that S3 matches with the pattern of this kind, and that have a part too many."""
    pattern = PATTERNS[kind]
    stars = [place for place, letter in enumerate(pattern) if letter == "*"]
    return sorted({f"{pattern[: star + 1]}/*{pattern[star + 1 :]}" for star in stars})
