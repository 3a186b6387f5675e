"""What charts are made of: scales, colours and elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

__all__ = ["Scale", "add", "colour_between", "figure", "text_of"]

TEMPERATURE_COLOURS = ("#3f6fc4", "#4fa3d1", "#79c2a8", "#efbe4e", "#e8703f")


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from ``low`` to ``high`` to pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def figure(width: float, height: float, title: str) -> ET.Element:
    """An empty SVG that grows with its container; ``title`` is read out to those who cannot see it."""
    return ET.Element("svg", {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-label": title})


def add(parent: ET.Element, tag: str, content: str | None = None, /, **attributes: object) -> ET.Element:
    """A child element. ``class_`` is written as ``class`` and ``text_anchor`` as ``text-anchor``."""
    written = {name.rstrip("_").replace("_", "-"): _written(value) for name, value in attributes.items()}
    element = ET.SubElement(parent, tag, written)
    element.text = content
    return element


def colour_between(share: float, colours: Sequence[str] = TEMPERATURE_COLOURS) -> str:
    """The colour at ``share`` (0 to 1) of a row of colours."""
    place = min(max(share, 0.0), 1.0) * (len(colours) - 1)
    index = min(int(place), len(colours) - 2)
    before, after = _channels(colours[index]), _channels(colours[index + 1])
    mixed = (round(a + (b - a) * (place - index)) for a, b in zip(before, after, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def text_of(svg: ET.Element) -> str:
    """The element as text, ready to be put into a page."""
    return ET.tostring(svg, encoding="unicode")


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _written(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
