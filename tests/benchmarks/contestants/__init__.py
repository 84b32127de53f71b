"""Programs that drain the same backlog, each in one process of its own."""
