"""Adapters of the four ports: Redis, S3, a local directory, Celery, the system's clock, and memory."""
