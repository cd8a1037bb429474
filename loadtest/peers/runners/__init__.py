"""One file a system: each reads the workload, runs its rounds, and returns when they ended."""
