"""What `costctl rules` does: options become one comparison, its answer is rendered."""

from __future__ import annotations

from pathlib import Path

from costctl import reports, terminal, whatif
from costctl.errors import UsageError, shown
from costctl.pipeline import Run
from costctl.reports import Answer, render
from costctl.whatif import plan as planning
from costctl.whatif import sides

LAST = 3
Target = tuple[str | None, Path | None, bool]  # format, file, whether the table has cents


def plan(run: Run, against: Path | None, *, period: str | None, last: int | None, cost: str, to: Target) -> None:
    """Show what other rules would change."""
    if period and last:
        raise UsageError("rules plan", "--last and --period contradict each other", remedy="Say one of them.")
    _refuse_unknown(cost)
    _show(planning.plan(run, against, period=period, last=last or LAST, cost=cost), to)


def compare_idle(run: Run, pool: str | None, owner: str | None, *, period: str | None, cost: str, to: Target) -> None:
    """Show the idle policies side by side."""
    _refuse_unknown(cost)
    _show(sides.idle(run, pool, owner, period=period, cost=cost), to)


def compare_weights(run: Run, pool: str | None, *, period: str | None, cost: str, to: Target) -> None:
    """Show the methods of weighing tokens side by side."""
    _refuse_unknown(cost)
    _show(sides.weights(run, pool, period=period, cost=cost), to)


def _refuse_unknown(cost: str) -> None:
    if cost not in reports.COSTS:
        raise UsageError("--cost", f"{shown(cost)} is not a cost", remedy=f"Costs: {', '.join(reports.COSTS)}.")


def _show(answer: Answer, to: Target) -> None:
    """Write the answer; what its table has below is said beside a file."""
    format_, output, cents = to
    kind = render.chosen(format_, output)
    if kind in ("table", "md"):
        render.report(answer, kind, output, cents=cents)
        return
    render.rows(whatif.by_period(answer.rows), kind, output)
    for note in answer.footer:
        terminal.say(note)
