"""The chart of temperatures and precipitation, month by month."""

from __future__ import annotations

from calendar import month_name
from collections.abc import Sequence
from itertools import groupby
from xml.etree.ElementTree import Element

from examples.weather_report.model import MonthStatistics
from examples.weather_report.page.svg import Scale, add, colour_between, figure, text_of

__all__ = ["climate_chart"]

WIDTH, HEIGHT = 1000, 560
LEFT, RIGHT = 56, 972
TEMPERATURE = (34, 316)
RAIN = (372, 502)
BAR_SHARE = 0.56


def climate_chart(months: Sequence[MonthStatistics]) -> str:
    """SVG: above the range of temperatures of each month, below its precipitation, on one axis of time."""
    svg = figure(WIDTH, HEIGHT, "Temperature in degrees Celsius and precipitation in millimetres of each month")
    across = Scale(0, len(months), LEFT, RIGHT)
    _time_axis(svg, months, across)
    _temperatures(svg, months, across)
    _rain(svg, months, across)
    return text_of(svg)


def _time_axis(svg: Element, months: Sequence[MonthStatistics], across: Scale) -> None:
    for number, (year, group) in enumerate(groupby(range(len(months)), key=lambda index: months[index].year)):
        indexes = list(group)
        start, end = across(indexes[0]), across(indexes[-1] + 1)
        if number % 2 == 0:
            add(
                svg,
                "rect",
                class_="band",
                x=start,
                y=TEMPERATURE[0],
                width=end - start,
                height=RAIN[1] - TEMPERATURE[0],
            )
        add(svg, "text", str(year), class_="year", x=(start + end) / 2, y=RAIN[1] + 44)
    for index, month in enumerate(months):
        add(svg, "text", month_name[month.month][0], class_="tick middle", x=across(index + 0.5), y=RAIN[1] + 18)


def _temperatures(svg: Element, months: Sequence[MonthStatistics], across: Scale) -> None:
    top = _rounded_up(max(month.highest.value for month in months), 10)
    bottom = -_rounded_up(-min(0.0, *(month.lowest.value for month in months)), 10)
    down = Scale(bottom, top, TEMPERATURE[1], TEMPERATURE[0])
    _value_axis(svg, range(bottom, top + 1, 10), down, "Temperature, °C")
    for index, month in enumerate(months):
        group = add(svg, "g", class_="month")
        add(group, "title", _temperature_note(month))
        middle, width = across(index + 0.5), (across(1) - across(0)) * BAR_SHARE
        colour = colour_between(((month.mean_high + month.mean_low) / 2 - 2) / 19)
        add(
            group,
            "line",
            x1=middle,
            x2=middle,
            y1=down(month.highest.value),
            y2=down(month.lowest.value),
            stroke=colour,
        )
        _bar(group, middle, width, down(month.mean_high), down(month.mean_low), fill=colour, rx=width / 2)
    hottest = max(range(len(months)), key=lambda index: months[index].highest.value)
    coldest = min(range(len(months)), key=lambda index: months[index].lowest.value)
    highest, lowest = months[hottest].highest.value, months[coldest].lowest.value
    add(svg, "text", f"{highest:.1f} °C", class_="note", x=across(hottest + 0.5), y=down(highest) - 7)
    add(svg, "text", f"{_minus(lowest)} °C", class_="note", x=across(coldest + 0.5), y=down(lowest) + 16)


def _rain(svg: Element, months: Sequence[MonthStatistics], across: Scale) -> None:
    most = max(month.precipitation for month in months)
    step = 100 if most > 100 else 20
    top = max(_rounded_up(most, step), step)
    down = Scale(0, top, RAIN[1], RAIN[0])
    _value_axis(svg, range(0, top + 1, step), down, "Precipitation, mm a month")
    for index, month in enumerate(months):
        group = add(svg, "g", class_="month")
        note = f"{month_name[month.month]} {month.year}: {month.precipitation:.1f} mm on {month.wet_days} wet days"
        add(group, "title", note)
        width = (across(1) - across(0)) * BAR_SHARE
        _bar(group, across(index + 0.5), width, down(month.precipitation), down(0), class_="rain", rx=2)
    wettest = max(range(len(months)), key=lambda index: months[index].precipitation)
    add(svg, "text", f"{most:.0f} mm", class_="note", x=across(wettest + 0.5), y=down(most) - 6)


def _value_axis(svg: Element, ticks: range, down: Scale, title: str) -> None:
    add(svg, "text", title, class_="axis", x=4, y=down.end - 16)
    for tick in ticks:
        add(svg, "line", class_="zero" if tick == 0 else "grid", x1=LEFT, x2=RIGHT, y1=down(tick), y2=down(tick))
        add(svg, "text", _minus(tick), class_="tick end", x=LEFT - 10, y=down(tick) + 4)


def _bar(group: Element, middle: float, width: float, top: float, bottom: float, **attributes: object) -> None:
    add(group, "rect", x=middle - width / 2, y=top, width=width, height=bottom - top, **attributes)


def _temperature_note(month: MonthStatistics) -> str:
    return (
        f"{month_name[month.month]} {month.year}: mean low {_minus(round(month.mean_low, 1))} °C, "
        f"mean high {_minus(round(month.mean_high, 1))} °C; "
        f"from {_minus(month.lowest.value)} to {_minus(month.highest.value)} °C"
    )


def _rounded_up(value: float, step: int) -> int:
    return int(-(-value // step) * step)


def _minus(value: float) -> str:
    """The number with a real minus sign."""
    return f"{value:g}".replace("-", "−")
