/** Places for the nodes of a map: callers left of what they call, in columns. Pure: the same graph has the same places. */

export const NODE = { width: 164, height: 40 };
const GAP = { x: 76, least: 14, most: 44 };
const MARGIN = 12;
const BACK = 44; // room on the right for calls back to an earlier column
const PASSAGE = 6; // the height of a call that passes a column
const COLUMNS_MOST = 6;
const SWEEPS = 6;

/**
 * `{ places, ways, width, height }` for a canvas with so much `room` for its height: for each name the corner of its box, for the key of a pair that passes columns the
 * points where it does.
 */
export function layout(pairs, focus, room) {
  const columns = focus ? columnsAround(pairs, focus) : columnsByDepth(pairs);
  const parts = withPassages(columns, pairs);
  untangle(columns, parts);
  const most = Math.max(...columns.map((names) => names.length));
  const gap = Math.min(Math.max(room / most - NODE.height, GAP.least), GAP.most);
  const heights = columns.map((names) => names.reduce((sum, name) => sum + tall(name) + gap, -gap));
  const height = Math.max(...heights, NODE.height);
  const [places, ways] = [new Map(), new Map()];
  columns.forEach((names, index) => {
    const x = MARGIN + index * (NODE.width + GAP.x);
    let y = MARGIN + (height - heights[index]) / 2;
    for (const name of names) {
      if (typeof name === "string") places.set(name, { x, y });
      else ways.set(name.key, [...(ways.get(name.key) ?? []), { x, y: y + PASSAGE / 2 }]);
      y += tall(name) + gap;
    }
  });
  const back = pairs.some(({ from, to }) => places.get(to).x <= places.get(from).x) ? BACK : 0;
  return {
    places,
    ways,
    width: 2 * MARGIN + columns.length * (NODE.width + GAP.x) - GAP.x + back,
    height: height + 2 * MARGIN,
  };
}

const tall = (name) => (typeof name === "string" ? NODE.height : PASSAGE);

/** Puts a passage into each column that a call only passes; the answer are its parts, each from one column to the next. */
function withPassages(columns, pairs) {
  const at = new Map(columns.flatMap((names, index) => names.map((name) => [name, index])));
  return pairs.flatMap(({ key, from, to }) => {
    const way = [from];
    for (let index = at.get(from) + 1; index < at.get(to); index++) {
      const passage = { key, index };
      columns[index].push(passage);
      way.push(passage);
    }
    way.push(to);
    return way.slice(1).map((next, index) => ({ from: way[index], to: next }));
  });
}

/** A node that calls the focus and is called by it stands where it calls. */
function columnsAround(pairs, focus) {
  const left = [...new Set(pairs.filter((pair) => pair.to === focus).map((pair) => pair.from))];
  const right = [...new Set(pairs.filter((pair) => pair.from === focus).map((pair) => pair.to))].filter(
    (name) => !left.includes(name),
  );
  return [left, [focus], right].filter((names) => names.length);
}

/** A node stands right of all that call it, by the longest way there; a call that closes a circle does not count. */
function columnsByDepth(pairs) {
  const names = [...new Set(pairs.flatMap(({ from, to }) => [from, to]))];
  const forward = withoutCircles(names, pairs);
  const depth = new Map(names.map((name) => [name, 0]));
  for (let round = 1; round < COLUMNS_MOST; round++) {
    for (const { from, to } of forward)
      depth.set(to, Math.min(Math.max(depth.get(to), depth.get(from) + 1), COLUMNS_MOST - 1));
  }
  const columns = Array.from({ length: Math.max(...depth.values(), 0) + 1 }, () => []);
  for (const name of names) columns[depth.get(name)].push(name);
  return columns;
}

function withoutCircles(names, pairs) {
  const calls = new Map(names.map((name) => [name, []]));
  for (const pair of pairs) calls.get(pair.from).push(pair);
  const called = new Set(pairs.map((pair) => pair.to));
  const [open, done, kept] = [new Set(), new Set(), []];
  const visit = (name) => {
    open.add(name);
    for (const pair of calls.get(name)) {
      if (open.has(pair.to)) continue;
      kept.push(pair);
      if (!done.has(pair.to)) visit(pair.to);
    }
    open.delete(name);
    done.add(name);
  };
  for (const name of [...names.filter((each) => !called.has(each)), ...names]) if (!done.has(name)) visit(name);
  return kept;
}

/** Orders each column by the middle of its neighbours, forth and back (Sugiyama's barycentres). */
function untangle(columns, pairs) {
  const row = new Map(columns.flatMap((names) => names.map((name, index) => [name, (index + 0.5) / names.length])));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const names of sweep % 2 ? [...columns].reverse() : columns) order(names, pairs, row);
  }
}

function order(names, pairs, row) {
  const middle = new Map(
    names.map((name) => {
      const near = pairs
        .filter((pair) => pair.from === name || pair.to === name)
        .map((pair) => row.get(pair.from === name ? pair.to : pair.from));
      return [name, near.length ? near.reduce((sum, each) => sum + each, 0) / near.length : row.get(name)];
    }),
  );
  names.sort((one, other) => middle.get(one) - middle.get(other));
  names.forEach((name, index) => row.set(name, (index + 0.5) / names.length));
}
