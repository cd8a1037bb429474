"""The phases of a run on its way through its rounds: one module each, and each module answers three questions.

- What comes next by itself? (`next_step`)
- What does the phase ask of the other services meanwhile? (`commands` gives it, `publish` publishes it)
- Which facts does it take? (functions named for what has happened, such as `round_aggregated`)
"""
