"""The console: pages for a browser, made of what the public API answers. It reaches no ledger, no broker and no store."""
