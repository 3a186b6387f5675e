"""The command line: what to measure, the rounds, the report."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks.contender import Contender, Kind, Store
from benchmarks.contenders import CONTENDERS
from benchmarks.environments import REQUIREMENTS, install
from benchmarks.machine import hardware, versions
from benchmarks.presence import why_absent
from benchmarks.readme import keep_figures
from benchmarks.report import show, write_json
from benchmarks.rounds import Measured, Order, orders, perform
from benchmarks.server import Databases
from benchmarks.workload import WORKLOADS

__all__ = ["main"]

_QUICK_ROUNDS = 2
_USUAL_ROUNDS = 5
_USUAL = ("W1", "W2", "W3", "W4", "W5")
_FILE_COLUMNS = 150
_QUICK_FLOORS = ("asyncio", "sqlite3-batch")


def main(arguments: Sequence[str]) -> int:
    options = _parse(arguments)
    if options.install_peers:
        install(REQUIREMENTS)
        return 0
    # As Ctrl-C: servers are stopped, and what was measured is shown.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Wide enough for every table where the output is kept in a file.
    console = Console() if sys.stdout.isatty() else Console(width=_FILE_COLUMNS)
    workloads = [WORKLOADS[name] for name in _chosen_workloads(options)]
    contenders = _present(console, _chosen_contenders(options), options.postgresql)
    rounds = options.rounds or (_QUICK_ROUNDS if options.quick else _USUAL_ROUNDS)
    databases = Databases(options.postgresql)
    began = time.monotonic()
    try:
        results, is_whole = _measure(console, list(orders(workloads, contenders, rounds)), databases, options)
    finally:
        databases.close()
    origin = _origin(contenders, databases, rounds, time.monotonic() - began)
    who = {each.name: each.about for each in contenders if each.kind is not Kind.OURS}
    show(console, workloads, results, origin | who)
    if options.keep and is_whole:
        # Without who they are, which is said on the page.
        page = Console(width=_FILE_COLUMNS, file=StringIO(), record=True)
        show(page, workloads, results, origin)
        keep_figures(page.export_text())
    if options.json:
        write_json(options.json, results, origin | who)
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="under a minute: memory, SQLite and their floors, W1 to W3"
    )
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS, help=f"default: {' '.join(_USUAL)}")
    parser.add_argument("--contender", nargs="+", choices=CONTENDERS, help="default: all that are installed")
    parser.add_argument(
        "--install-peers", action="store_true", help="make the environments of peers that need their own, and end"
    )
    parser.add_argument("--rounds", type=_positive, help=f"default: {_USUAL_ROUNDS}, or {_QUICK_ROUNDS} with --quick")
    parser.add_argument("--postgresql", metavar="URL", help="a server to use instead of a private one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round of every figure there")
    parser.add_argument("--keep", action="store_true", help="put the tables into benchmarks/README.md")
    parser.add_argument(
        "--set", nargs="+", default=[], type=_setting, metavar="NAME=NUMBER", help="change parameters of workloads"
    )
    parser.add_argument("--patience", type=_positive, default=900, metavar="SECONDS", help="for one measurement")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def _setting(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    known = sorted({parameter for workload in WORKLOADS.values() for parameter in workload.parameters})
    if name not in known:
        raise argparse.ArgumentTypeError(f"no workload has a parameter {name!r}; there are {', '.join(known)}")
    return name, _positive(value)


def _chosen_workloads(options: argparse.Namespace) -> list[str]:
    if options.workload:
        return [name for name in WORKLOADS if name in options.workload]
    return [name for name in _USUAL if not options.quick or WORKLOADS[name].quick is not None]


def _chosen_contenders(options: argparse.Namespace) -> list[Contender]:
    if options.contender:
        return [CONTENDERS[name] for name in options.contender]
    return [each for each in CONTENDERS.values() if not options.quick or _is_quick(each)]


def _is_quick(contender: Contender) -> bool:
    is_ours = contender.kind is Kind.OURS and contender.store is not Store.POSTGRESQL
    return is_ours or contender.name in _QUICK_FLOORS


def _present(console: Console, contenders: Iterable[Contender], given_url: str | None) -> list[Contender]:
    """Those that can run here; says why the others cannot."""
    present: list[Contender] = []
    for contender in contenders:
        reason = why_absent(contender, given_url)
        if reason is None:
            present.append(contender)
        else:
            console.print(f"without {contender.name}: {escape(reason)}", highlight=False, soft_wrap=True)
    return present


def _measure(
    console: Console, todo: Sequence[Order], databases: Databases, options: argparse.Namespace
) -> tuple[dict[str, dict[str, Measured]], bool]:
    """What was measured, and whether it is all: Ctrl-C ends it early."""
    results: dict[str, dict[str, Measured]] = {}
    with suppress(KeyboardInterrupt), console.status("") as status:
        for place, order in enumerate(todo, 1):
            measured = results.setdefault(order.workload.name, {}).setdefault(order.contender.name, Measured())
            if measured.failure is not None:
                continue
            doing = f"{place}/{len(todo)}  {order.workload.name}  round {order.round + 1}  {order.contender.name}"
            status.update(doing)
            if not console.is_terminal:
                print(doing, file=sys.stderr, flush=True)
            _add(console, order, measured, databases, options)
        return results, True
    return results, False


def _add(console: Console, order: Order, measured: Measured, databases: Databases, options: argparse.Namespace) -> None:
    workload = order.workload
    own = {name: value for name, value in options.set if name in workload.parameters}
    try:
        figures = perform(
            order,
            {**workload.parameters_of(quick=options.quick), **own},
            lambda: databases.new(counts_statements=workload.needs_statement_statistics),
            options.patience,
        )
    except RuntimeError as error:
        measured.failure = str(error)
        console.print(f"[red]{workload.name} {order.contender.name} failed:[/] {escape(str(error))}", highlight=False)
    else:
        measured.add(figures)


def _origin(contenders: Sequence[Contender], databases: Databases, rounds: int, seconds: float) -> dict[str, str]:
    found = versions(contenders)
    if databases.server_version:
        found["PostgreSQL"] = databases.server_version
    return {
        "machine": hardware(),
        "versions": ", ".join(f"{name} {version}" for name, version in found.items()),
        "method": f"at most {rounds} rounds, in turns; medians; {seconds:.0f} s on {time.strftime('%Y-%m-%d')}",
    }
