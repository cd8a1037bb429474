"""The domain: plans, runs, rounds, updates and the facts that move them. Imports only the standard library and pydantic."""
