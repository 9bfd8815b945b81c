"""Attributions judged by numbers: likeness of maps, pixel removal, localisation."""
