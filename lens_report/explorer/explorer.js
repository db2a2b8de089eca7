"use strict";
// Every text of a data set or a model goes in through textContent or an attribute, never as markup.
(() => {
  const PAGE = 50;
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9", "#767676"];
  const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4", "6 2 1 2"];
  const byId = (id) => document.getElementById(id);
  const index = JSON.parse(byId("index").textContent);
  const columns = index.columns;
  const metrics = index.metrics;
  const state = { rows: [], page: 0, at: -1, opened: 0 };

  // ---- building elements -------------------------------------------------------------------------------------------
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }
  function draw(name, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }
  function fill(select, options) {
    select.replaceChildren(...options.map(([value, text]) => {
      const option = make("option", {}, text);
      option.value = value;
      return option;
    }));
  }

  // ---- data --------------------------------------------------------------------------------------------------------
  const chunks = new Map();
  function details(row) {
    const number = Math.floor(row / index.chunk);
    if (!chunks.has(number)) chunks.set(number, unpack(byId(`details-${number}`).textContent));
    return chunks.get(number).then((samples) => samples[row % index.chunk]);
  }
  async function unpack(text) {
    if (typeof DecompressionStream === "undefined") {
      throw new Error("This browser is too old to unpack the samples (it lacks DecompressionStream).");
    }
    const bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }
  const pictures = new Map();
  function picture(number) {
    const chunk = Math.floor(number / index.images_a_chunk);
    if (!pictures.has(chunk)) {
      const element = byId(`images-${chunk}`);
      pictures.set(chunk, element ? JSON.parse(element.textContent) : {});
    }
    return pictures.get(chunk)[number];
  }

  // ---- list --------------------------------------------------------------------------------------------------------
  const searched = columns.question.map((question, row) =>
    `${columns.doc[row]}\n${question}\n${columns.gold[row]}\n${columns.answer[row]}`.toLowerCase());

  function matches(row, wanted) {
    return (wanted.task === "" || columns.subject[row] === Number(wanted.task))
      && (wanted.verdict === "" || columns.verdict[row] === wanted.verdict)
      && (wanted.type === "" || columns.type[row] === wanted.type.slice(1))
      && (wanted.path === "" || columns[wanted.path][row] === 1)
      && (wanted.search === "" || searched[row].includes(wanted.search));
  }
  function select() {
    const wanted = { search: byId("search").value.trim().toLowerCase() };
    for (const name of ["task", "verdict", "type", "path"]) wanted[name] = byId(name).value;
    const rows = [];
    for (let row = 0; row < index.n; row += 1) if (matches(row, wanted)) rows.push(row);
    const values = metrics[byId("sort").value];
    if (values) {
      const sign = byId("descending").checked ? -1 : 1;
      // samples without a value stand last in either direction
      rows.sort((a, b) => {
        if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
        return sign * (values[a] - values[b]) || a - b;
      });
    } else if (byId("descending").checked) rows.reverse();
    Object.assign(state, { rows, page: 0, at: -1 });
    list();
  }
  function list() {
    const { rows, page } = state;
    const name = byId("sort").value;
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    byId("count").textContent = `${rows.length} of ${index.n} samples`;
    byId("page").textContent = `page ${page + 1} of ${pages}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page + 1 >= pages;
    byId("metric-head").textContent = name ? name.split(".").slice(1).join(".") : "";
    byId("metric-head").title = name;
    byId("samples").classList.toggle("unsorted", !name);
    const start = page * PAGE;
    byId("samples").tBodies[0].replaceChildren(...rows.slice(start, start + PAGE).map((row, place) => {
      const line = make("tr", { "data-row": row, tabindex: place ? -1 : 0, "aria-selected": start + place === state.at });
      const verdict = columns.verdict[row];
      const cells = [columns.doc[row], verdict, columns.question[row], columns.gold[row], columns.answer[row],
        name ? number(metrics[name][row]) : ""];
      for (const [column, value] of cells.entries()) {
        const cell = make("td", {}, String(value));
        if (column === 1) cell.className = `verdict-${verdict === "right" || verdict === "wrong" ? verdict : "other"}`;
        if (column > 1 && column < 5) cell.title = value;
        line.append(cell);
      }
      line.addEventListener("click", () => open(start + place));
      return line;
    }));
  }
  function number(value) {
    return value === null || value === undefined ? "–" : Number.isInteger(value) ? String(value) : value.toFixed(3);
  }
  function move(to) {
    if (!state.rows.length) return;
    const at = Math.min(Math.max(to, 0), state.rows.length - 1);
    const page = Math.floor(at / PAGE);
    if (page !== state.page) { state.page = page; list(); }
    open(at);
  }
  function turn(page) {
    const last = Math.max(0, Math.ceil(state.rows.length / PAGE) - 1);
    state.page = Math.min(Math.max(page, 0), last);
    list();
  }

  // ---- sample ------------------------------------------------------------------------------------------------------
  async function open(at) {
    state.at = at;
    const row = state.rows[at];
    for (const line of byId("samples").tBodies[0].rows) {
      const chosen = Number(line.dataset.row) === row;
      line.setAttribute("aria-selected", chosen);
      line.tabIndex = chosen ? 0 : -1;
      if (chosen) line.focus({ preventScroll: false });
    }
    const turnNumber = ++state.opened;
    let body;
    try {
      body = page(row, await details(row));
    } catch (error) {
      body = [make("p", { class: "note" }, `This sample cannot be shown: ${error.message}`)];
    }
    if (turnNumber === state.opened) { // a later choice has not overtaken this one
      byId("sample").replaceChildren(...body);
      byId("sample").scrollTop = 0;
      byId("sample").dataset.row = row;
    }
  }
  function page(row, sample) {
    const subject = index.subjects[columns.subject[row]];
    const title = make("h2", {}, `${subject.task}, document ${columns.doc[row]} (${subject.run})`);
    const parts = [title, make("div", { class: "head" }, shown(row), facts(row, sample))];
    if (sample.z) parts.push(...shares(sample, subject));
    parts.push(...table(sample, subject), ...lines(sample, subject), ...scalars(row));
    return parts;
  }
  function shown(row) {
    const frame = make("div", { class: "pictures" });
    let missing = 0;
    for (const image of columns.images[row]) {
      const data = picture(image);
      if (data) frame.append(make("img", { src: `data:image/jpeg;base64,${data}`, alt: "image of the question", width: 192 }));
      else missing += 1;
    }
    if (missing) frame.append(make("p", { class: "note" }, missing > 1 ? `${missing} images not kept` : "image not kept"));
    return frame;
  }
  function facts(row, sample) {
    const entries = [["gold", columns.gold[row]], ["answer", columns.answer[row]], ["verdict", columns.verdict[row]]];
    if (columns.type[row] !== null) entries.push(["type", columns.type[row]]);
    if (columns.lost[row]) entries.push(["path", "correct, then lost"]);
    if (columns.corrected[row]) entries.push(["path", "wrong, then corrected"]);
    if (sample.rule) entries.push(["answer found by", sample.rule]);
    if (sample.status) entries.push(["status", `${sample.status}: ${sample.reason || "no reason given"}`]);
    const terms = make("dl");
    for (const [name, value] of entries) terms.append(make("dt", {}, name), make("dd", {}, value || "–"));
    return make("div", {}, make("p", { class: "question" }, columns.question[row]), terms);
  }
  function softmax(scores) {
    const known = scores.filter((score) => score !== null);
    const top = Math.max(...known);
    const total = known.reduce((sum, score) => sum + Math.exp(score - top), 0);
    return scores.map((score) => (score === null ? null : Math.exp(score - top) / total));
  }
  function shares(sample, subject) {
    const q = sample.z.map(softmax);
    const order = sample.candidates.map((_, number) => number);
    const weight = (number) => (number === sample.gold ? 2 : 0) + (number === sample.pred ? 1 : 0);
    order.sort((a, b) => weight(b) - weight(a) || (q.at(-1)[b] || 0) - (q.at(-1)[a] || 0));
    const series = order.slice(0, 6).map((number) => ({
      name: sample.candidates[number] + (number === sample.gold ? " (gold)" : "") + (number === sample.pred ? " (answer)" : ""),
      values: q.map((line) => line[number]),
    }));
    const answer = sample.pred ?? sample.gold;
    if (answer !== null && answer !== undefined) {
      for (const [name, scores] of Object.entries(sample.controls || {})) {
        series.push({ name: `${sample.candidates[answer]}, ${name} image`, values: scores.map((line) => softmax(line)[answer]), thin: true });
      }
    }
    const left = sample.candidates.length - Math.min(6, order.length);
    const note = left ? [make("p", { class: "note" }, `${left} more candidates are not drawn.`)] : [];
    return [make("h4", {}, "Candidates by layer"), ...chart(series, subject, { label: "share among candidates", low: 0, high: 1 }), ...note];
  }
  function lines(sample, subject) {
    const found = [];
    const kinds = [["cand_mass", "probability of all candidates", 0, 1], ["entropy", "entropy (nats)", 0, null], ["jsd_last", "JSD to the last layer (nats)", 0, null]];
    for (const [name, label, low, high] of kinds) {
      const values = sample.lines[name];
      if (values) found.push(...chart([{ name: label, values }], subject, { label, low, high: high ?? Math.max(...values.filter((v) => v !== null), 0.01) }));
    }
    return found.length ? [disclosure("More curves", found)] : [];
  }
  function disclosure(name, children) {
    return make("details", {}, make("summary", {}, name), ...children);
  }
  function chart(series, subject, axis) {
    const size = { width: 520, height: 200, left: 46, right: 10, top: 8, bottom: 40 };
    const [first, last] = [subject.layers[0], subject.layers.at(-1)];
    const x = (layer) => size.left + (size.width - size.left - size.right) * (last > first ? (layer - first) / (last - first) : 0.5);
    const y = (value) => size.height - size.bottom - (size.height - size.top - size.bottom) * ((value - axis.low) / (axis.high - axis.low));
    const svg = draw("svg", { class: "chart", viewBox: `0 0 ${size.width} ${size.height}`, role: "img", "aria-label": `${axis.label} by layer` });
    for (const part of [0, 0.5, 1]) {
      const value = axis.low + part * (axis.high - axis.low);
      svg.append(draw("line", { x1: size.left, x2: size.width - size.right, y1: y(value), y2: y(value), stroke: "#ddd" }));
      svg.append(draw("text", { x: size.left - 5, y: y(value) + 4, "text-anchor": "end" }, Number(value.toPrecision(2))));
    }
    const step = Math.max(1, Math.ceil(subject.layers.length / 10));
    subject.layers.forEach((layer, place) => {
      if (place % step === 0) svg.append(draw("text", { x: x(layer), y: size.height - 24, "text-anchor": "middle" }, layer));
    });
    svg.append(draw("text", { x: (size.left + size.width) / 2, y: size.height - 8, "text-anchor": "middle" }, `layer (of ${subject.n_layers})`));
    const legend = make("ul", { class: "legend" });
    series.forEach((line, place) => {
      const look = { stroke: COLOURS[place % 8], "stroke-dasharray": DASHES[place % 8], "stroke-width": line.thin ? 1.3 : 2, fill: "none" };
      let path = "";
      line.values.forEach((value, layer) => {
        if (value !== null) path += `${path && line.values[layer - 1] !== null ? "L" : "M"}${x(subject.layers[layer]).toFixed(1)} ${y(value).toFixed(1)}`;
      });
      svg.append(draw("path", { ...look, d: path }));
      const key = draw("svg", { width: 26, height: 8 });
      key.append(draw("line", { ...look, x1: 0, x2: 26, y1: 4, y2: 4 }));
      legend.append(make("li", {}, key, line.name));
    });
    const title = make("p", { class: "note" }, axis.label);
    return [title, svg, legend];
  }
  function table(sample, subject) {
    const title = make("h4", {}, "Most likely tokens by layer");
    if (!sample.tokens) return [title, make("p", { class: "note" }, "No tokens were kept for this sample.")];
    const marks = new Map(sample.marks.map(([layer, place, bits]) => [`${layer} ${place}`, bits]));
    const width = Math.max(...sample.tokens.map((line) => line.length));
    const head = make("tr", {}, make("th", { scope: "col" }, "layer"));
    for (let place = 1; place <= width; place += 1) head.append(make("th", { scope: "col" }, `${place}.`));
    const body = make("tbody");
    for (let layer = sample.tokens.length - 1; layer >= 0; layer -= 1) { // the last layer on top, as lens tables have it
      const line = make("tr", { "data-layer": subject.layers[layer] }, make("th", { scope: "row" }, String(subject.layers[layer])));
      sample.tokens[layer].forEach((token, place) => line.append(cell(token, sample.logprobs[layer][place], marks.get(`${layer} ${place}`) || 0)));
      body.append(line);
    }
    const lens = make("table", { class: "lens" }, make("thead", {}, head), body);
    const note = make("p", { class: "note" }, "Darker: more probable; point at a token or move to it with Tab for its probability. ✓ and a green frame: stands for the gold answer. ◂ and a red underline: stands for the answer given.");
    return [title, make("div", { class: "scroll" }, lens), note];
  }
  function cell(token, hundredths, bits) {
    const p = hundredths === null ? null : Math.exp(hundredths / 100);
    const text = token.replace(/\n/g, "⏎").replace(/\t/g, "⇥");
    const element = make("td", { tabindex: 0 }, text || "␀");
    const probability = p === null ? "not recorded" : p >= 0.001 ? p.toFixed(3) : p.toExponential(1);
    const kinds = [[1, "gold"], [2, "answer"], [4, "another candidate"]].filter(([bit]) => bits & bit).map(([, name]) => name);
    element.title = `${JSON.stringify(token)}: p = ${probability}${kinds.length ? ` (${kinds.join(", ")})` : ""}`;
    element.setAttribute("aria-label", element.title);
    element.dataset.p = p === null ? "" : p.toPrecision(3);
    if (bits & 1) element.classList.add("gold");
    if (bits & 2) element.classList.add("answer");
    const strength = p === null ? 0 : Math.sqrt(p);
    element.style.backgroundColor = `rgba(0, 90, 150, ${(0.04 + 0.9 * strength).toFixed(2)})`;
    if (strength > 0.5) element.style.color = "#fff";
    return element;
  }
  function scalars(row) {
    const parts = [];
    for (const [prefix, title] of [["label_free.", "Label-free metrics"], ["gold_based.", "Gold-based metrics"], ["score.", "Scores of the harness"]]) {
      const block = make("div", { class: "scalars" });
      for (const [name, values] of Object.entries(metrics)) {
        if (name.startsWith(prefix) && values[row] !== null) {
          block.append(make("div", {}, make("span", {}, name.slice(prefix.length)), make("span", {}, number(values[row]))));
        }
      }
      if (block.childElementCount) parts.push(make("h4", {}, title), block);
    }
    return parts;
  }

  // ---- tabs, keys, start -------------------------------------------------------------------------------------------
  const tabs = ["findings", "explorer"];
  function show(name, focus) {
    for (const tab of tabs) {
      const chosen = tab === name;
      byId(tab).hidden = !chosen;
      byId(`tab-${tab}`).setAttribute("aria-selected", chosen);
      byId(`tab-${tab}`).tabIndex = chosen ? 0 : -1;
      if (chosen && focus) byId(`tab-${tab}`).focus();
    }
  }
  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("explorer").hidden) return;
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing || event.target.closest('[role="tablist"]')) return;
    const actions = {
      "/": () => byId("search").focus(),
      j: () => move(state.at + 1), ArrowDown: () => move(state.at + 1),
      k: () => move(state.at - 1), ArrowUp: () => move(state.at - 1),
      Enter: () => event.target.closest("tr[data-row]") && open(state.page * PAGE + event.target.sectionRowIndex),
      PageDown: () => turn(state.page + 1), PageUp: () => turn(state.page - 1),
    };
    const action = actions[event.key];
    const inSample = event.target.closest("#sample");
    if (action && !event.target.matches("button, a, summary") && !(inSample && event.key.length > 1)) { event.preventDefault(); action(); }
  }
  function start() {
    for (const [place, tab] of tabs.entries()) {
      const button = byId(`tab-${tab}`);
      button.addEventListener("click", () => show(tab));
      button.addEventListener("keydown", (event) => {
        if (event.key === "ArrowRight" || event.key === "ArrowLeft") show(tabs[1 - place], true);
      });
    }
    fill(byId("task"), [["", "all"], ...index.subjects.map((one, place) => [String(place), `${one.task}: ${one.run}`])]);
    const distinct = (values) => [...new Set(values)].filter((value) => value !== null);
    fill(byId("verdict"), [["", "all"], ...distinct(columns.verdict).sort().map((value) => [value, value])]);
    fill(byId("type"), [["", "all"], ...distinct(columns.type).sort().map((value) => [`=${value}`, value])]);
    fill(byId("sort"), [["", "document"], ...Object.keys(metrics).map((name) => [name, name])]);
    for (const name of ["task", "verdict", "type", "path", "sort", "descending"]) byId(name).addEventListener("change", select);
    byId("search").addEventListener("input", select);
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("start-over").addEventListener("click", () => { byId("filters").reset(); select(); });
    byId("previous").addEventListener("click", () => turn(state.page - 1));
    byId("next").addEventListener("click", () => turn(state.page + 1));
    document.addEventListener("keydown", keys);
    if (location.hash === "#samples") show("explorer");
    select();
    document.documentElement.dataset.ready = "true";
  }
  start();
})();
