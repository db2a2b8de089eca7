// Which curves of a sample are drawn: its candidates with the controls, and what the layers are like.

const MOST_CANDIDATES = 6;
const MORE_CURVES = [
  ["cand_mass", t("probability of all candidates"), 1],
  ["entropy", t("entropy (nats)"), null],
  ["jsd_last", t("JSD to the last layer (nats)"), null],
];

function shares(sample, taskRun) {
  const q = sample.z.map(softmax);
  const order = byWeight(sample, q.at(-1));
  const series = order.slice(0, MOST_CANDIDATES).map((number) => ({
    name: candidateName(sample, number),
    values: q.map((line) => line[number]),
  }));
  series.push(...controlCurves(sample));
  const left = order.length - Math.min(MOST_CANDIDATES, order.length);
  const note = left ? [make("p", { class: "note" }, t("{n} more candidates are not drawn.", { n: left }))] : [];
  const axis = { label: t("share among candidates"), low: 0, high: 1 };
  return [make("h4", {}, t("Candidates by layer")), ...chart(series, taskRun, axis), ...note];
}

// The gold answer first, then the answer given, then the others by their share at the last layer.
function byWeight(sample, last) {
  const weight = (number) => (number === sample.gold ? 2 : 0) + (number === sample.pred ? 1 : 0);
  const order = sample.candidates.map((_, number) => number);
  return order.sort((a, b) => weight(b) - weight(a) || (last[b] || 0) - (last[a] || 0));
}

function candidateName(sample, number) {
  const roles = [["gold", sample.gold], ["answer", sample.pred]].filter(([, own]) => own === number).map(([name]) => t(name));
  return sample.candidates[number] + (roles.length ? ` (${roles.join(", ")})` : "");
}

// The answer given, or without one the gold answer, as it was read under other images.
function controlCurves(sample) {
  const answer = sample.pred ?? sample.gold;
  if (answer === null || answer === undefined) return [];
  return Object.entries(sample.controls || {}).map(([name, scores]) => ({
    name: t("{answer}, {name} image", { answer: sample.candidates[answer], name: t(name) }),
    values: scores.map((line) => softmax(line)[answer]),
    thin: true,
  }));
}

function lines(sample, taskRun) {
  const found = MORE_CURVES.filter(([name]) => sample.lines[name]).flatMap(([name, label, top]) => {
    const values = sample.lines[name];
    const high = top ?? Math.max(...values.filter((value) => value !== null), 0.01);
    return chart([{ name: label, values }], taskRun, { label, low: 0, high });
  });
  return found.length ? [disclosure(t("More curves"), found)] : [];
}

function softmax(scores) {
  const known = scores.filter((score) => score !== null);
  const top = Math.max(...known);
  const total = known.reduce((sum, score) => sum + Math.exp(score - top), 0);
  return scores.map((score) => (score === null ? null : Math.exp(score - top) / total));
}

// Curves by layer, as an SVG with a legend.

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "currentColor", "#56B4E9", "#767676"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4", "6 2 1 2"];
const FRAME = { width: 520, height: 200, left: 46, right: 10, top: 8, bottom: 40 };

function chart(series, taskRun, axis) {
  const at = scales(taskRun.layers, axis);
  const svg = draw("svg", {
    class: "chart", viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, role: "img", "aria-label": t("{what} by layer", { what: axis.label }),
  });
  svg.append(...valueAxis(axis, at), ...layerAxis(taskRun, at));
  const legend = make("ul", { class: "legend" });
  series.forEach((line, place) => {
    const look = { stroke: COLOURS[place % 8], "stroke-dasharray": DASHES[place % 8], "stroke-width": line.thin ? 1.3 : 2, fill: "none" };
    svg.append(draw("path", { ...look, d: outline(line.values, taskRun.layers, at) }));
    const key = draw("svg", { width: 26, height: 8 });
    key.append(draw("line", { ...look, x1: 0, x2: 26, y1: 4, y2: 4 }));
    legend.append(make("li", {}, key, line.name));
  });
  return [make("p", { class: "note" }, axis.label), svg, legend];
}

function scales(layers, axis) {
  const [first, last] = [layers[0], layers.at(-1)];
  const wide = FRAME.width - FRAME.left - FRAME.right;
  const high = FRAME.height - FRAME.top - FRAME.bottom;
  return {
    x: (layer) => FRAME.left + wide * (last > first ? (layer - first) / (last - first) : 0.5),
    y: (value) => FRAME.height - FRAME.bottom - high * ((value - axis.low) / (axis.high - axis.low)),
  };
}

function valueAxis(axis, at) {
  return [0, 0.5, 1].flatMap((part) => {
    const value = axis.low + part * (axis.high - axis.low);
    return [
      draw("line", { x1: FRAME.left, x2: FRAME.width - FRAME.right, y1: at.y(value), y2: at.y(value), class: "grid" }),
      draw("text", { x: FRAME.left - 5, y: at.y(value) + 4, "text-anchor": "end" }, Number(value.toPrecision(2))),
    ];
  });
}

function layerAxis(taskRun, at) {
  const step = Math.max(1, Math.ceil(taskRun.layers.length / 10));
  const ticks = taskRun.layers.filter((_, place) => place % step === 0);
  const middle = (FRAME.left + FRAME.width) / 2;
  return [
    ...ticks.map((layer) => draw("text", { x: at.x(layer), y: FRAME.height - 24, "text-anchor": "middle" }, layer)),
    draw("text", { x: middle, y: FRAME.height - 8, "text-anchor": "middle" }, t("layer (of {n})", { n: taskRun.n_layers })),
  ];
}

// A value that was not recorded leaves a gap.
function outline(values, layers, at) {
  let path = "";
  values.forEach((value, place) => {
    if (value === null) return;
    const command = path && values[place - 1] !== null ? "L" : "M";
    path += `${command}${at.x(layers[place]).toFixed(1)} ${at.y(value).toFixed(1)}`;
  });
  return path;
}
