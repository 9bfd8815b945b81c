"""From maps to pixels and words: the only place with colours and scales."""

from pruneattr_core.render.colours import COLOUR_MAPS, ColourMap, colour_table, colourise, overlay
from pruneattr_core.render.png import png_bytes, read_provenance
from pruneattr_core.render.scale import ColourBar, Scale, colour_bar, scale_map, scale_of, tick_text
from pruneattr_core.render.words import describe_map

__all__ = [
    "COLOUR_MAPS",
    "ColourBar",
    "ColourMap",
    "Scale",
    "colour_bar",
    "colour_table",
    "colourise",
    "describe_map",
    "overlay",
    "png_bytes",
    "read_provenance",
    "scale_map",
    "scale_of",
    "tick_text",
]
