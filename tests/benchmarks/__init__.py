"""Speed, memory and latency, measured on one machine: `python -m tests.benchmarks`."""
