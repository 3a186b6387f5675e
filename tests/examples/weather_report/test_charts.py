"""The charts of the weather example."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from examples.weather_report.page.climate_chart import climate_chart
from examples.weather_report.page.sky_chart import sky_chart
from examples.weather_report.page.svg import Scale, colour_between
from tests.examples.weather_report.rows import months_of, row


def test_a_scale_maps_its_ends_to_its_ends() -> None:
    down = Scale(-10, 40, 300, 50)

    assert (down(-10), down(15), down(40)) == (300, 175, 50)


@pytest.mark.parametrize(("share", "colour"), [(-1, "#000000"), (0.5, "#808080"), (2, "#ffffff")])
def test_colours_lie_between_their_neighbours_and_stop_at_the_ends(share: float, colour: str) -> None:
    assert colour_between(share, ("#000000", "#ffffff")) == colour


def test_charts_are_well_formed_and_have_a_mark_for_each_month() -> None:
    months = months_of(row("2012-12-01"), row("2013-01-01", weather="rain"))

    climate = ET.fromstring(climate_chart(months))
    sky = ET.fromstring(sky_chart(months))

    assert len(climate.findall("g")) == 2 * 2
    assert [text.text for text in climate.findall("text[@class='year']")] == ["2012", "2013"]
    assert [title.text for title in sky.findall("rect/title") if "100 %" in (title.text or "")] == [
        "January: rain on 100 % of the days",
        "December: sun on 100 % of the days",
    ]


@pytest.mark.parametrize("value", ["0.0", "7.0", "120.0"])
def test_one_dry_or_wet_day_is_enough_for_a_chart(value: str) -> None:
    ET.fromstring(climate_chart(months_of(row("2012-12-01", precipitation=value))))
