"""Plotly figures of the path pages; numbers in, figures out, no Streamlit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from numpy.typing import NDArray

from pruneattr_core.render.series import QUIET, Series, series
from pruneattr_core.share.words import percent

Array = NDArray[Any]
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
_FONT = 14
#: Of a heat map: above, so that the cells keep the width of a phone.
_BAR = {
    "orientation": "h",
    "y": 1.02,
    "yanchor": "bottom",
    "thickness": 10,
    "outlinewidth": 0,
    "title": {"text": "Jaccard", "side": "top"},
}
#: Of a heat map, in pixels: a row, the colour bar, a letter of the columns' names, which may stand upright.
_ROW, _BAR_HEIGHT, _LETTER = 54, 90, 9


def _framed(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    figure.update_layout(
        height=height,
        margin=_MARGIN,
        font_size=_FONT,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font_size": _FONT},
        hoverlabel_font_size=_FONT,
        **layout,
    )
    figure.update_xaxes(automargin=True, tickfont_size=_FONT)
    figure.update_yaxes(automargin=True, tickfont_size=_FONT)
    return figure


def heat_map(titles: Sequence[str], overlap: Array, top: float = 1.0) -> go.Figure:
    """Jaccard overlap (M, M) in [0, 1], its value written into every cell; colours end at `top`."""
    names = [title.replace(" (", "<br>(") for title in titles]
    longest = max((len(line) for name in names for line in name.split("<br>")), default=0)
    figure = go.Figure(
        go.Heatmap(
            z=overlap,
            x=list(titles),
            y=list(titles),
            zmin=0,
            zmax=top,
            colorscale="Cividis",
            xgap=2,
            ygap=2,
            colorbar=_BAR,
            hovertemplate="%{y} and %{x}: %{z:.4f}<extra></extra>",
        )
    )
    size = _FONT + 1 if len(titles) <= 5 else _FONT - 2  # cells of a phone are narrow
    for row, own in enumerate(titles):
        for column, other in enumerate(titles):
            value = overlap[row, column]
            # Cividis turns light in its upper half.
            ink = "#10131a" if value > 0.55 * top else "#ffffff"
            if math.isnan(value):
                continue
            figure.add_annotation(
                x=other, y=own, text=f"{value:.2f}", showarrow=False, font={"size": size, "color": ink}
            )
    every = {"tickvals": list(titles), "ticktext": names}  # Plotly would leave some out
    figure.update_xaxes(every)
    figure.update_yaxes(every, autorange="reversed")
    return _framed(figure, _BAR_HEIGHT + _LETTER * longest + _ROW * max(3, len(titles)))


def picture_map(names: Sequence[str], overlap: Array, top: float) -> go.Figure:
    """Jaccard overlap (B, B) of many pictures, nan on the diagonal; colours end at `top`."""
    places = list(range(len(names)))
    figure = go.Figure(
        go.Heatmap(
            z=overlap,
            x=places,
            y=places,
            zmin=0,
            zmax=top,
            colorscale="Cividis",
            colorbar=_BAR,
            customdata=[[f"{one} and {other}" for other in names] for one in names],
            hovertemplate="%{customdata}: %{z:.4f}<extra></extra>",
        )
    )
    firsts = [k for k, name in enumerate(names) if k == 0 or names[k - 1] != name]
    figure.update_xaxes(showticklabels=False, showgrid=False)
    figure.update_yaxes(
        autorange="reversed", showgrid=False, tickvals=firsts, ticktext=[names[k] for k in firsts]
    )
    return _framed(figure, 520)


def layer_lines(
    layers: Sequence[str], lines: Mapping[str, Array], styles: Mapping[str, Series], reference: str
) -> go.Figure:
    """Jaccard overlap with `reference` per activation call; one line a method, each (calls,)."""
    figure = go.Figure()
    position = list(range(1, len(layers) + 1))
    for title, values in lines.items():
        style = styles[title]
        figure.add_scatter(
            x=position,
            y=values,
            name=title,
            mode="lines+markers" if len(layers) < 40 else "lines",
            line={"color": style.colour, "dash": style.dash, "width": 3},
            marker={"symbol": style.symbol, "size": 9, "color": style.colour},
            customdata=list(layers),
            hovertemplate="%{customdata}: %{y:.4f}<extra>" + title + "</extra>",
        )
    figure.update_xaxes(title_text="activation call, first to last", tickmode="auto", nticks=12)
    figure.update_yaxes(title_text=f"Jaccard with {reference}", range=[-0.03, 1.03])
    return _framed(figure, 430, hovermode="closest")


def dead_bars(
    titles: Sequence[str], shares: Sequence[float], styles: Mapping[str, Series], base: float
) -> go.Figure:
    """Share of each path's neurons that were dead, in [0, 1], with the base rate of all neurons."""
    figure = go.Figure(
        go.Bar(
            y=list(titles),
            x=list(shares),
            orientation="h",
            marker_color=[styles[title].colour for title in titles],
            text=[percent(share, 1) for share in shares],
            # Outside, the text of a long bar would stand on the line of the base rate.
            textposition=["inside" if share > 0.2 else "outside" for share in shares],
            insidetextanchor="end",
            textfont_size=_FONT + 1,
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.2%} of the path was dead<extra></extra>",
        )
    )
    figure.add_vline(x=base, line={"color": QUIET, "dash": "dash", "width": 2})
    figure.add_annotation(
        x=base,
        y=1.0,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        font={"color": QUIET, "size": _FONT},
        text=f"base rate {percent(base, 1)}",
    )
    figure.update_xaxes(
        tickformat=".0%", range=[0, 1.08], title_text="share of the path's neurons that were dead"
    )
    figure.update_yaxes(autorange="reversed")
    framed = _framed(figure, 110 + 46 * max(3, len(titles)), showlegend=False, bargap=0.35)
    return framed.update_layout(margin_t=34)


def kept_bars(
    layers: Sequence[str], kept: Array, alive: Array, style: Series, overall: float, chosen: int
) -> go.Figure:
    """Share kept and share alive per activation call, (calls,) each; the chosen call stands out."""
    position = list(range(1, len(layers) + 1))
    figure = go.Figure()
    figure.add_bar(
        x=position,
        y=kept,
        name="kept by the path",
        marker={"color": style.colour, "opacity": [1.0 if i == chosen else 0.55 for i in range(len(layers))]},
        customdata=list(layers),
        hovertemplate="%{customdata}: %{y:.2%} kept<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0.55}},
    )
    figure.add_scatter(
        x=position,
        y=alive,
        name="alive in the original network",
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 14, "color": QUIET, "line_width": 3},
        customdata=list(layers),
        hovertemplate="%{customdata}: %{y:.2%} alive<extra></extra>",
    )
    figure.add_hline(y=overall, line={"color": QUIET, "dash": "dash", "width": 2})
    figure.update_xaxes(title_text="activation call, first to last", nticks=12)
    figure.update_yaxes(title_text="share of the call's neurons", tickformat="~%", rangemode="tozero")
    return _framed(figure, 340, clickmode="event+select", dragmode=False, bargap=0.25)


def channel_bars(order: Array, shares: Array, style: Series, chosen: int) -> go.Figure:
    """Share kept per channel (C,), drawn in `order`; the chosen channel stands out."""
    rank = list(range(1, len(order) + 1))
    figure = go.Figure(
        go.Bar(
            x=rank,
            y=shares[order],
            marker={
                "color": style.colour,
                "opacity": [1.0 if channel == chosen else 0.55 for channel in order.tolist()],
                "line_width": 0,
            },
            customdata=order,
            hovertemplate="channel %{customdata}: %{y:.2%} of its positions kept<extra></extra>",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.55}},
        )
    )
    figure.update_xaxes(title_text="channels, most kept first", nticks=12)
    figure.update_yaxes(title_text="share of its positions", tickformat="~%", rangemode="tozero")
    return _framed(
        figure, 300, clickmode="event+select", dragmode=False, bargap=0.1 if len(order) < 80 else 0
    )


def paired_bars(
    titles: Sequence[str], groups: Sequence[tuple[str, Sequence[float | None], Series]], unit: str
) -> go.Figure:
    """Published and reproduced values below each other per title; None leaves a gap. Reads on a phone too."""
    figure = go.Figure()
    for name, values, style in groups:
        figure.add_bar(
            y=list(titles),
            x=list(values),
            orientation="h",
            name=name,
            marker={"color": style.colour, "pattern": {"shape": "/" if style.dash == "dash" else ""}},
            text=["" if value is None else percent(value, 1) for value in values],
            textposition="outside",
            textangle=0,
            textfont_size=_FONT,
            cliponaxis=False,
        )
    figure.update_xaxes(title_text=unit, tickformat=".0%", range=[0, 1.12])
    figure.update_yaxes(autorange="reversed")
    height = 130 + len(titles) * (22 * len(groups) + 14)
    return _framed(figure, height, barmode="group", bargap=0.25)


def response_lines(
    lines: Mapping[str, tuple[Sequence[int], Sequence[float]]], styles: Mapping[str, Series], unit: str
) -> go.Figure:
    """The response of each decoding over its steps."""
    figure = go.Figure()
    for title, (steps, values) in lines.items():
        style = styles[title]
        figure.add_scatter(
            x=list(steps),
            y=list(values),
            name=title,
            mode="lines",
            line={"color": style.colour, "dash": style.dash, "width": 3},
            hovertemplate="step %{x}: %{y:.2f}<extra>" + title + "</extra>",
        )
    figure.update_xaxes(title_text="step")
    figure.update_yaxes(title_text=unit)
    return _framed(figure, 340)


def _draw_lines(
    figure: go.Figure, x: Sequence[float], lines: Mapping[str, Array], hover: str, first: int, others: int
) -> None:
    """A line and markers for each title, over the same places; widths of the first and of the others."""
    for place, (title, values) in enumerate(lines.items()):
        style = series(place)
        figure.add_scatter(
            x=list(x),
            y=values,
            name=title,
            mode="lines+markers",
            line={"color": style.colour, "dash": style.dash, "width": others if place else first},
            marker={"symbol": style.symbol, "size": 8},
            hovertemplate=f"{hover}<extra>{title}</extra>",
        )


def carried_lines(sizes: Sequence[float], lines: Mapping[str, Array], whole: float, size: float) -> go.Figure:
    """The response of each set of neurons, (K,), over its size on a logarithmic axis.

    Args:
        sizes: (K,) shares of all neurons.
        lines: title -> values; the first stands out.
        whole: response of the whole network.
        size: the one looked at.
    """
    figure = go.Figure()
    _draw_lines(figure, sizes, lines, "%{x:.1%} kept: %{y:.2f}", first=4, others=2)
    figure.add_hline(y=whole, line={"color": QUIET, "width": 1})
    figure.add_vline(x=size, line={"color": QUIET, "width": 1, "dash": "dot"})
    figure.update_xaxes(
        title_text="Share of all neurons kept", type="log", tickformat="~%", dtick=1,
        minor={"dtick": "D1", "ticks": "outside"},  # as labels they touch on a phone
    )  # fmt: skip
    figure.update_yaxes(title_text="Target logit")
    return _framed(figure, 420)


def nudged_lines(factors: Sequence[float], lines: Mapping[str, Array], at: float) -> go.Figure:
    """Shares in [0, 1] of what still holds, (K,) each, over how far the picture was moved, in radii.

    Args:
        factors: (K,) distances in radii of the ball.
        lines: title -> values.
        at: the one looked at.
    """
    figure = go.Figure()
    _draw_lines(figure, factors, lines, "%{x:g} radii: %{y:.4f}", first=3, others=3)
    figure.add_vrect(x0=min(factors) / 2, x1=1, fillcolor=QUIET, opacity=0.15, line_width=0)
    figure.add_annotation(
        x=math.log10(min(factors) / 2), y=0.02, yanchor="bottom", xanchor="left", textangle=-90,
        showarrow=False, text="inside the ball", font={"color": QUIET, "size": _FONT},
    )  # fmt: skip
    figure.add_vline(x=at, line={"color": QUIET, "width": 1, "dash": "dot"})
    figure.update_xaxes(
        title_text="How far the picture is moved, in radii",
        type="log",
        tickvals=list(factors),
        ticktext=_sparse(factors),
    )
    figure.update_yaxes(title_text="What still holds", range=[-0.03, 1.05])
    return _framed(figure, 420).update_layout(legend={"orientation": "v", "y": 1.02})


def _sparse(factors: Sequence[float]) -> list[str]:
    """Names of powers of ten only: the others would touch."""
    return [f"{factor:g}" if math.log10(factor).is_integer() or factor == 0.5 else "" for factor in factors]
