"""One file a system: each reads the workload, runs its rounds, and returns when they ended.

Those of the peers run in the peers' environments: they import torch, safetensors, the peer and `loadtest.bare`, and nothing
else of ours.
"""
