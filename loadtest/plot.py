"""Draws the picture of a run: `python plot.py OUT.png < numbers.json`. Alone, because matplotlib lives elsewhere."""

import json
import sys
from typing import TypedDict

# The project's environment may lack matplotlib; where it is installed these comments are unused.
import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]

mpl.use("Agg")
from matplotlib import pyplot as plt  # type: ignore[import-not-found,unused-ignore]
from matplotlib.axes import Axes  # type: ignore[import-not-found,unused-ignore]

USER, SYSTEM = "#2166ac", "#92c5de"
QUANTILES = (("p50", "#92c5de"), ("p99", "#4393c3"), ("p99.9", "#053061"))


class Picture(TypedDict):
    """What `report.picture` sends; times in seconds."""

    cpu: list[tuple[str, float, float]]
    latency: list[tuple[str, float, float, float]]
    rate: float
    caption: str


def draw_cpu(axes: Axes, picture: Picture) -> None:
    """Bars of CPU per request: user and system, the sum written at the end."""
    names = [name for name, _, _ in picture["cpu"]]
    user = [1e6 * each for _, each, _ in picture["cpu"]]
    system = [1e6 * each for _, _, each in picture["cpu"]]
    axes.barh(names, user, color=USER, label="user")
    bars = axes.barh(names, system, left=user, color=SYSTEM, label="system (kernel)")
    axes.bar_label(bars, [f"{a + b:.1f}" for a, b in zip(user, system, strict=True)], padding=4)
    axes.margins(x=0.12)
    axes.set_title("CPU per request, µs", loc="left")


def draw_latency(axes: Axes, picture: Picture) -> None:
    """A line of three dots per peer, on a logarithmic scale."""
    names = [row[0] for row in picture["latency"]]
    times = [[1e3 * each for each in row[1:]] for row in picture["latency"]]
    axes.hlines(names, [min(row) for row in times], [max(row) for row in times], color="#cccccc", zorder=1)
    for index, (label, color) in enumerate(QUANTILES):
        axes.scatter([row[index] for row in times], names, color=color, label=label, zorder=2)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.set_title(f"Latency at {picture['rate']:,.0f}/s, ms", loc="left")


def main(path: str, picture: Picture) -> None:
    """Write both panels to `path`."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    draw_cpu(left, picture)
    draw_latency(right, picture)
    for axes in (left, right):
        axes.invert_yaxis()
        axes.legend(
            frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 0.98), columnspacing=1, handletextpad=0.4
        )
        for name in axes.get_yticklabels():
            name.set_weight("bold" if name.get_text() == "nodeproxy" else "normal")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle("12 header fields, 64-byte answers, kept connections", x=0.01, ha="left", weight="bold")
    figure.supxlabel(picture["caption"], size="small", color="#666666")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))
