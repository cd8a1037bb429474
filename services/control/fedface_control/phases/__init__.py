"""The phases of a run on its way through its rounds: one file each, and in each the same questions.

- What comes next by itself? (`next_step`)
- What does the phase ask of the other services meanwhile? (`commands`, which is pure, and `ask`, which publishes them)
- Which facts does it take? (the functions named for what has happened, such as `round_aggregated`)
"""
