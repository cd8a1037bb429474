"""Load on a local stack: Locust users of the control API, and rounds with many clients."""
