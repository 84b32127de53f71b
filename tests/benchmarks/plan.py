"""How large each measurement is, and which are taken."""

from __future__ import annotations

from dataclasses import dataclass

SECTIONS = {
    "drain": "the same backlog drained by the product, a loop by hand, stock Faust, and a mere decoder",
    "producers": "the same events by the right partitioner, by librdkafka's default, and as JSON",
    "client": "what an event costs a product, beside a bare producer",
    "backtest": "usage events a second through the core in process",
    "close": "closing one day with every detector",
    "memory": "resident memory, changelog and restoring",
    "scale": "throughput with few and with many accounts",
    "latency": "from a payment failure to its alert and to its row, from a command to its answer",
    "console": "pages of the console over a crowded PostgreSQL and SQLite",
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of everything."""

    rounds: int
    usage_events: int
    accounts: int
    days: int
    stock_records: int
    client_events: int
    backtest_accounts: int
    backtest_events: int
    backtest_days: int
    close_accounts: tuple[int, ...]
    close_repeats: int
    memory_accounts: int
    scale_accounts: tuple[int, int]
    scale_events: int
    latency_s: float
    databases: tuple[str, ...]
    console_accounts: int
    console_alerts: int
    console_requests: int


FULL = Sizes(
    rounds=3,
    usage_events=1_000_000,
    accounts=10_000,
    days=2,
    stock_records=40_000,
    client_events=300_000,
    backtest_accounts=2_000,
    backtest_events=3_000_000,
    backtest_days=28,
    close_accounts=(10_000, 100_000, 400_000),
    close_repeats=5,
    memory_accounts=100_000,
    scale_accounts=(1_000, 100_000),
    scale_events=4_000_000,
    latency_s=35.0,
    databases=("SQLite", "PostgreSQL"),
    console_accounts=100_000,
    console_alerts=1_000_000,
    console_requests=100,
)
QUICK = Sizes(
    rounds=1,
    usage_events=100_000,
    accounts=1_000,
    days=2,
    stock_records=3_000,
    client_events=20_000,
    backtest_accounts=500,
    backtest_events=300_000,
    backtest_days=7,
    close_accounts=(1_000, 5_000),
    close_repeats=2,
    memory_accounts=5_000,
    scale_accounts=(500, 5_000),
    scale_events=50_000,
    latency_s=10.0,
    databases=("SQLite",),
    console_accounts=2_000,
    console_alerts=20_000,
    console_requests=20,
)
