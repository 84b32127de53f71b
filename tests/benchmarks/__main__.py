"""`python -m tests.benchmarks`: take the measurements, print them, and write them to a folder."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tests.benchmarks import broker, machine, report
from tests.benchmarks.plan import FULL, QUICK, SECTIONS
from tests.benchmarks.suite import Suite

_WIDTH = 160
"""Columns of the table in a file or a pipe."""


def main() -> int:
    """Exit code 1 when a bound is missed in a full run, 2 when something could not be measured."""
    arguments = _arguments()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    sizes = QUICK if arguments.quick else FULL
    sizes = replace(sizes, rounds=arguments.rounds or sizes.rounds)
    if arguments.close_accounts:
        sizes = replace(sizes, close_accounts=tuple(arguments.close_accounts))
    began_s = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began_s:6.0f} s  {text}", markup=False, soft_wrap=True)

    say(f"load average {machine.load_average():.1f}: the machine should have nothing else to do")
    suite = Suite(sizes, say)
    suite.run(arguments.only)
    described = machine.description()
    kafka = broker.version() if {"drain", "memory", "scale", "latency"} & set(arguments.only) else None
    report.show(suite.results, console)
    report.write(suite.results, described, machine.sentence(described, kafka), arguments.out)
    console.print(f"Written: {arguments.out / 'bench.json'}, {arguments.out / 'bench.md'}", markup=False)
    for name, why in suite.failures.items():
        console.print(f"{name} could not be measured: {why}", style="red", markup=False)
    if suite.failures:
        return 2
    missed = any(figure.met is False for figure in suite.results)
    return 1 if missed and not arguments.quick else 0


def _arguments() -> argparse.Namespace:
    listing = "\n".join(f"  {name:9} {what}" for name, what in SECTIONS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=f"{__doc__}\n\nsections:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=_sections, default=list(SECTIONS), help="sections, separated by commas")
    parser.add_argument("--quick", action="store_true", help="small and once: less than two minutes")
    parser.add_argument("--rounds", type=int, default=0, help="how often to repeat (default 3, quick 1)")
    parser.add_argument(
        "--close-accounts", type=int, nargs="+", metavar="N", help="accounts whose day is closed (1000000: 10 GiB)"
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder for the results")
    return parser.parse_args()


def _sections(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in SECTIONS]
    if unknown or not names:
        message = f"unknown: {', '.join(unknown)}; choose from {', '.join(SECTIONS)}"
        raise argparse.ArgumentTypeError(message)
    return names


if __name__ == "__main__":
    sys.exit(main())
