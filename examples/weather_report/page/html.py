"""The page around the charts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from html import escape
from pathlib import Path
from string import Template

from examples.weather_report.model import ExtremeKind, MonthStatistics, Sky, Summary
from examples.weather_report.page.climate_chart import climate_chart
from examples.weather_report.page.sky_chart import sky_chart

__all__ = ["page"]

TEMPLATE = Path(__file__).with_name("template.html")
KINDS = {
    "heat": ("Hot days", "°C", "more"),
    "frost": ("Frosty nights", "°C", "less"),
    "rain": ("Downpours", "mm", "more"),
}
"""Kind of extreme → its title, its unit, and on which side of the threshold it lies."""


def page(summary: Summary, months: Sequence[MonthStatistics], extremes: Sequence[ExtremeKind], origin: str) -> str:
    """A whole HTML document without any reference to something outside of it."""
    years = [each.year for each in summary.years]
    span = str(years[0]) if years[0] == years[-1] else f"{years[0]}–{years[-1]}"
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        span=span,
        days=f"{summary.days:,}",
        figures="".join(_figures(summary)),
        climate_chart=climate_chart(months),
        sky_chart=sky_chart(months),
        sky_legend="".join(f'<li><i class="sky {kind}"></i>{kind.capitalize()}</li>' for kind in Sky),
        years="".join(_year_rows(summary)),
        extremes=_extremes(extremes),
        origin=escape(origin),
    )


def _figures(summary: Summary) -> Iterable[str]:
    years = len(summary.years)
    precipitation = sum(year.precipitation for year in summary.years) / years
    sunny_days = sum(year.sunny_days for year in summary.years)
    yield _figure("Hottest day", _number(summary.highest.value), "°C", _day(summary.highest.day))
    yield _figure("Coldest night", _number(summary.lowest.value), "°C", _day(summary.lowest.day))
    yield _figure("Wettest day", _number(summary.wettest.value), "mm", _day(summary.wettest.day))
    yield _figure("In a year", f"{precipitation:,.0f}", "mm", "mean precipitation")
    yield _figure("Sunny days", f"{100 * sunny_days / summary.days:.0f}", "%", f"{sunny_days:,} of {summary.days:,}")


def _figure(label: str, value: str, unit: str, note: str) -> str:
    return f"<div><dt>{label}</dt><dd>{value} <small>{unit}</small></dd><p>{note}</p></div>"


def _year_rows(summary: Summary) -> Iterable[str]:
    for year in summary.years:
        cells = (
            _number(year.mean_high),
            _number(year.mean_low),
            f"{year.precipitation:,.0f}",
            year.wet_days,
            year.sunny_days,
        )
        yield f'<tr><th scope="row">{year.year}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _extremes(kinds: Sequence[ExtremeKind]) -> str:
    if not kinds:
        return ""
    return f'<section><h2>Extreme days</h2><div class="cards">{"".join(map(_card, kinds))}</div></section>'


def _card(kind: ExtremeKind) -> str:
    title, unit, side = KINDS[kind.kind]
    days = "".join(
        f"<li><b>{_number(each.value)} {unit}</b><span>{_day(each.day)}</span></li>" for each in kind.strongest
    )
    spell = f"{kind.longest_spell} in a row at most" if kind.longest_spell > 1 else "never two in a row"
    about = f"{_number(kind.threshold)} {unit} or {side}: {kind.days} times, {spell}"
    return f'<article class="{kind.kind}"><h3>{title}</h3><p>{about}</p><ol>{days}</ol></article>'


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _number(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")
