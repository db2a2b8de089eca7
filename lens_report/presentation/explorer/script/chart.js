// Curves by layer, as an SVG with a legend.

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9", "#767676"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4", "6 2 1 2"];
const FRAME = { width: 520, height: 200, left: 46, right: 10, top: 8, bottom: 40 };

function chart(series, taskRun, axis) {
  const at = scales(taskRun.layers, axis);
  const svg = draw("svg", {
    class: "chart", viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, role: "img", "aria-label": `${axis.label} by layer`,
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
      draw("line", { x1: FRAME.left, x2: FRAME.width - FRAME.right, y1: at.y(value), y2: at.y(value), stroke: "#ddd" }),
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
    draw("text", { x: middle, y: FRAME.height - 8, "text-anchor": "middle" }, `layer (of ${taskRun.n_layers})`),
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
