"""The chart of what the sky looked like, by month of the year."""

from __future__ import annotations

from calendar import month_name
from collections import Counter
from collections.abc import Sequence

from examples.weather_report.model import MonthStatistics, Sky
from examples.weather_report.page.svg import Scale, add, figure, text_of

__all__ = ["sky_chart"]

WIDTH = 1000
LEFT, RIGHT, TOP = 100, 972, 8
ROW, BAR = 27, 19


def sky_chart(months: Sequence[MonthStatistics]) -> str:
    """SVG: a bar for each month of the year, divided by the share of days of each kind of weather."""
    days = _days_by_month(months)
    height = TOP + ROW * len(days)
    svg = figure(WIDTH, height + 46, "Share of days with sun, fog, drizzle, rain and snow, by month of the year")
    across = Scale(0, 100, LEFT, RIGHT)
    for percent in range(0, 101, 25):
        add(svg, "line", class_="grid", x1=across(percent), x2=across(percent), y1=TOP, y2=height)
        add(svg, "text", str(percent), class_="tick middle", x=across(percent), y=height + 18)
    add(svg, "text", "Share of days, %", class_="axis middle", x=(LEFT + RIGHT) / 2, y=height + 42)
    for row, (month, sky) in enumerate(sorted(days.items())):
        top = TOP + ROW * row + (ROW - BAR) / 2
        add(svg, "text", month_name[month], class_="tick end", x=LEFT - 10, y=top + BAR / 2 + 4)
        before = 0.0
        for kind in Sky:
            share = 100 * sky[kind] / sky.total()
            segment = add(
                svg, "rect", class_=f"sky {kind}", x=across(before), y=top, width=across(share) - LEFT, height=BAR
            )
            add(segment, "title", f"{month_name[month]}: {kind} on {share:.0f} % of the days")
            before += share
    return text_of(svg)


def _days_by_month(months: Sequence[MonthStatistics]) -> dict[int, Counter[Sky]]:
    days: dict[int, Counter[Sky]] = {}
    for month in months:
        days.setdefault(month.month, Counter()).update(month.sky)
    return days
