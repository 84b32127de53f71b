"""The functional core: columns in, outcomes out; no I/O and no clock."""
