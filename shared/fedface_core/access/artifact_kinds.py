"""The kinds of artifacts, each with the pattern of its keys in a policy, where ``*`` stands for any characters, also ``/``.

`fedface_core.contracts.object_keys` makes the keys. A test checks that each key matches the pattern of its own kind alone.
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
    "row": "runs/*/rows/*",
    "residual": "runs/*/residuals/*",
    "identity_list": "runs/*/identity_lists/*",
    "server_state": "runs/*/server_state/*",
    "guidance": "runs/*/guidance/*",
    "model": "models/*",
    "claim": "claims/*",
    "upload": "uploads/*",
    "clock": "clock",
}
"""Kind of artifact, as `fedface_core.contracts.object_keys.kind` names it → the pattern of its keys.

``clock`` is no artifact: the store is asked for this key, which nobody puts, to see the date of the answer.
"""
