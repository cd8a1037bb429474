"""What services exchange: tasks and queues, HTTP bodies, object keys, manifests, and the check of schema versions."""
