// Where in the picture: a map over image tokens on top of the pictures of a sample, with boxes, lifts and drops.

const PLACES = 10000;
const CANVAS = 400;
const KINDS = {
  attention: t("attention"), "attention without sinks": t("attention without sinks"),
  "relative attention": t("relative attention"), words: t("words asked about"), nearness: t("nearness"),
};
const PREFIXES = {
  attention: "", "attention without sinks": "sinkless_", "relative attention": "relative_", words: "word_", nearness: "near_",
};
const FIGURES = [
  [t("lift"), "box_lift"], [t("pointing"), "pointing"], ["AUROC", "box_auroc"],
];
const DROPS = [
  [t("boxes or track"), "gold_based.causal_drop"], [t("top of attention"), "label_free.attention_drop"], [t("top of words"), "label_free.word_drop"],
];

function where(row, sample, run) {
  const own = sample.picture || {};
  const moving = texted.get(row).videos.length > 0;
  if (!sample.picture && !moving) return [];
  const parts = [make("h4", {}, moving ? t("Where in the video") : t("Where in the picture"))];
  if (moving || (own.tokens && (own.maps.length || own.boxes))) parts.push(heat(row, own, run));
  parts.push(...boxFigures(row), ...liftCurves(own, row), ...dropTable(row));
  const told = Object.entries(own.status || {}).map(([name, text]) => `${name}: ${text}`);
  if (own.left_out) parts.push(make("p", { class: "note" }, t("The maps of this sample are left out to keep this file small.")));
  if (told.length) parts.push(make("p", { class: "note" }, t("Not measured: {what}.", { what: told.join("; ") })));
  return parts.length > 1 ? parts : [];
}

// Of a map of words the words stay as they are: they come from the question or the answer.
function mapName(map) {
  const [what, word] = [map.name.split(": ", 1)[0], map.name.split(": ").slice(1).join(": ")];
  return word ? `${t(what)}: ${word}` : t(what);
}

function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

// `run`: which of the pages side by side it is; each has names of its own for its controls.
function heat(row, own, run) {
  const maps = own.maps || [];
  const tokens = {
    places: new Int16Array(bytes(own.tokens || "").buffer), image: bytes(own.image || ""),
    frames: own.frames ? new Int16Array(bytes(own.frames).buffer) : null,
  };
  const views = texted.get(row).images.map((number, place) => view(number, place, own.boxes || [], tokens));
  views.push(...texted.get(row).videos.map((video, place) => player(video, place, own.tracks || [], tokens)));
  const [mapId, layerId] = ["heat-map", "heat-layer"].map((id) => (run ? `${id}-${run}` : id));
  const map = make("select", { id: mapId });
  fill(map, maps.map((one, place) => [String(place), mapName(one)]));
  const layer = make("input", { id: layerId, type: "range", min: 0, step: 1 });
  const said = make("output", { for: `${mapId} ${layerId}` });
  const redraw = () => {
    const one = maps[Number(map.value)];
    if (!one) return;
    layer.max = one.layers.length;
    const at = Number(layer.value);
    const name = at === 0 ? t(one.of) : t("layer {n}", { n: one.layers[at - 1] });
    const values = at === 0 ? bytes(one.whole) : bytes(one.values).subarray((at - 1) * tokens.image.length, at * tokens.image.length);
    const top = values.reduce((most, value) => Math.max(most, value), 0);
    layer.setAttribute("aria-valuetext", name);
    said.textContent = t("{name}, largest value {p}", { name, p: probability((top / 255) * one.top) }) + liftAt(own, row, one, at);
    views.forEach((each) => each.paint(values, top));
  };
  layer.value = 0;
  map.addEventListener("change", redraw);
  layer.addEventListener("input", redraw);
  redraw();
  const controls = make("div", { class: "heat-controls" });
  if (maps.length) {
    controls.append(make("label", {}, t("Map"), " ", map), make("label", {}, t("Layer"), " ", layer), said);
  }
  const notes = [];
  if (maps.length) notes.push(t("Colour: share of the largest value of what is shown; where tokens overlap, the larger one."));
  if ((own.boxes || own.tracks || []).length) notes.push(t("Solid frame: what is asked about. Dashed: others."));
  if ((own.tracks || []).length) notes.push(t("A frame in pale lines: hidden in this frame."));
  const shown = make("div", { class: "heat-pictures" }, ...views.map((each) => each.element));
  return make("div", { class: "heat" }, controls, shown, make("p", { class: "note" }, notes.join(" ")));
}

// The lift of the map shown and that of its null boxes, for the kinds of maps that have one.
function liftAt(own, row, map, at) {
  const lifts = (own.lifts || {})[map.kind];
  const prefix = PREFIXES[map.kind];
  if (prefix === undefined || (at === 0 ? !map.scored : !lifts)) return "";
  const place = at === 0 ? -1 : lifts.layers.indexOf(map.layers[at - 1]);
  const [lift, none] = at === 0
    ? [metric(`gold_based.${prefix}box_lift`, row), metric(`gold_based.null_${prefix}box_lift`, row)]
    : [lifts.lift[place], (lifts.null || [])[place]];
  if (lift === null || lift === undefined) return "";
  return `; ${t("lift {lift}, in {where} {none}", { lift: number(lift), where: own.tracks ? t("null tracks") : t("null boxes"), none: number(none) })}`;
}

// A picture with a canvas for the map and the boxes above it, all in shares of its width and height.
function view(number, place, boxes, tokens) {
  const data = picture(number);
  const element = make("div", { class: "heat-picture" });
  if (data) element.append(make("img", { src: `data:image/jpeg;base64,${data}`, alt: t("picture {n}", { n: place + 1 }) }));
  else element.classList.add("missing");
  const canvas = surface(t("map over picture {n}", { n: place + 1 }));
  const svg = overlay();
  for (const [left, top, right, bottom, image, asked] of boxes) {
    if (image === place) mark(svg, [left, top, right, bottom], asked ? "asked" : "other");
  }
  element.append(canvas, svg);
  return { element, paint: (values, top) => paint(canvas, tokens.places, values, top, (token) => tokens.image[token] === place) };
}

function surface(label) {
  return make("canvas", { width: CANVAS, height: CANVAS, role: "img", "aria-label": label });
}

function overlay() {
  return draw("svg", { viewBox: `0 0 ${PLACES} ${PLACES}`, preserveAspectRatio: "none", "aria-hidden": "true" });
}

function mark(svg, [left, top, right, bottom], kind) {
  for (const layer of ["under", "over"]) {
    svg.append(draw("rect", { x: left, y: top, width: right - left, height: bottom - top, class: `${kind} ${layer}` }));
  }
}

// Tokens in rising order, each in the place of what lies below it: a place in two views shows the larger value.
function paint(canvas, places, values, top, chosen) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, CANVAS, CANVAS);
  const order = [...values.keys()].filter(chosen).sort((a, b) => values[a] - values[b]);
  for (const token of order) {
    const [left, up, right, down] = [0, 1, 2, 3].map((side) => Math.round((places[4 * token + side] / PLACES) * CANVAS));
    context.clearRect(left, up, right - left, down - up);
    context.fillStyle = `rgba(213, 60, 0, ${(top ? (0.85 * values[token]) / top : 0).toFixed(3)})`;
    context.fillRect(left, up, right - left, down - up);
  }
}

// Lift, pointing and AUROC of each kind of map beside those of its nulls: null boxes, of a video null tracks.
function boxFigures(row) {
  const rows = [];
  for (const [kind, prefix] of Object.entries(PREFIXES)) {
    if (prefix === "sinkless_" && !metric("label_free.attention_sinks", row)) continue; // it repeats the attention map
    for (const [name, column] of FIGURES) {
      const own = metric(`gold_based.${prefix}${column}`, row);
      if (own !== null) rows.push([`${name}, ${KINDS[kind]}`, own, metric(`gold_based.null_${prefix}${column}`, row)]);
    }
  }
  return small(rows, [t("in the boxes or the track"), t("own"), t("null")]);
}

function dropTable(row) {
  const rows = DROPS.map(([name, column]) => [name, ...["", "_random", "_null"].map((suffix) => metric(column + suffix, row))]);
  const known = rows.filter(([, own]) => own !== null);
  return small(known, [t("masked: drop of log-odds (nats)"), t("own"), t("random tokens"), t("null")]);
}

function small(rows, titles) {
  if (!rows.length) return [];
  const head = make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title)));
  const body = rows.map(([name, ...values]) =>
    make("tr", {}, make("th", { scope: "row" }, name), ...values.map((value) => make("td", {}, number(value)))));
  return [framed(titles[0], make("table", { class: "figures" }, make("thead", {}, head), make("tbody", {}, ...body)))];
}

function liftCurves(own, row) {
  const taskRun = index.task_runs[columns.task_run[row]];
  const found = Object.entries(own.lifts || {}).flatMap(([kind, one]) => {
    const series = [{ name: t("own"), values: one.lift }];
    if (one.null) series.push({ name: t("null"), values: one.null, thin: true });
    const known = series.flatMap((line) => line.values).filter((value) => value !== null);
    const axis = { label: t("lift of {map}", { map: KINDS[kind] }), low: 0, high: Math.max(1, ...known) };
    return chart(series, { layers: one.layers, n_layers: taskRun.n_layers }, axis);
  });
  return found.length ? [disclosure(t("Lift by layer"), found)] : [];
}
