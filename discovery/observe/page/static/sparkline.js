/** A line of the last minutes, the height of a row. It is decoration: the number beside it is what is read aloud. */

import { svg } from "./elements.js";

const WIDTH = 100;
const HEIGHT = 20;

/** An SVG element with a method `show(values)`; the highest is at its top, NaN is a gap. */
export function sparkline(kind = "") {
  const area = svg("path", { class: "spark-area" });
  const line = svg("path", { class: "spark-line" });
  const drawing = svg(
    "svg",
    { class: `spark ${kind}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    line,
  );
  let shown = "";
  drawing.show = (values) => {
    const most = values.reduce((highest, value) => (value > highest ? value : highest), 0);
    const runs = most > 0 ? runsOf(values, most) : [];
    const path = runs.length ? runs.map(({ points }) => `M${points.join("L")}`).join("") : `M0 ${HEIGHT - 1}H${WIDTH}`;
    if (path === shown) return;
    shown = path;
    line.setAttribute("d", path);
    area.setAttribute(
      "d",
      runs.map(({ points, from, to }) => `M${from} ${HEIGHT}L${points.join("L")}L${to} ${HEIGHT}Z`).join(""),
    );
    drawing.classList.toggle("flat", !runs.length);
  };
  return drawing;
}

/** The points of each run of values without a gap. */
function runsOf(values, most) {
  const step = WIDTH / (values.length - 1);
  const runs = [];
  let run = null;
  values.forEach((value, index) => {
    if (Number.isNaN(value)) {
      run = null;
      return;
    }
    const x = (index * step).toFixed(1);
    if (!run) runs.push((run = { points: [], from: x, to: x }));
    run.points.push(`${x} ${(HEIGHT - 1 - (value / most) * (HEIGHT - 2)).toFixed(1)}`);
    run.to = x;
  });
  for (const each of runs) if (each.points.length === 1) each.points.push(each.points[0]); // a point is a line too
  return runs;
}
