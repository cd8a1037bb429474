"""Runners, one module for each kind of system: each reads the workload, runs its rounds, and returns a `RunnerResult`.

The runners of the peers run in the peers' environments. They import torch, safetensors, the peer, `loadtest.bare` and
`loadtest.peers.runner_result`, and no package of FedFace.
"""
