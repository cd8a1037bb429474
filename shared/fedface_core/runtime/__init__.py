"""What every service process needs besides its work: settings, logs, metrics, Celery, and patience with outages."""
