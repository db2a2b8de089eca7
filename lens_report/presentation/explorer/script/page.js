// The page: find and make elements, unpack the data, tabs, keys, filters, start.

// Find and make elements.
// Every text of a data set or a model goes in through textContent or an attribute, never as markup.

const byId = (id) => document.getElementById(id);

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// A text of the page in its language, which the page holds where that is not English; `{name}` takes a value.

const texts = JSON.parse(byId("texts").textContent);

function t(text, values = {}) {
  return (texts[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
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

function disclosure(name, children) {
  return make("details", {}, make("summary", {}, name), ...children);
}

function number(value) {
  return value === null || value === undefined ? "–" : Number.isInteger(value) ? String(value) : value.toFixed(3);
}

// What the page holds: an index that is there at once, details and pictures that are unpacked when asked for.

const index = JSON.parse(byId("index").textContent);
const columns = index.columns;
const metrics = index.metrics;
const chunks = new Map();

function details(row) {
  const number = Math.floor(row / index.chunk);
  if (!chunks.has(number)) chunks.set(number, unpack(byId(`details-${number}`).textContent));
  return chunks.get(number).then((samples) => unscaled(samples[row % index.chunk]));
}

// Numbers by layer are packed in thousandths.
function unscaled(sample) {
  const scale = (value) => {
    if (value === null || value === undefined) return value;
    if (typeof value === "number") return value / 1000;
    if (Array.isArray(value)) return value.map(scale);
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, scale(one)]));
  };
  const found = { ...sample };
  for (const name of ["z", "pivot", "controls", "lines"]) if (name in sample) found[name] = scale(sample[name]);
  return found;
}

async function unpack(text) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error(t("This browser is too old to unpack the samples (it lacks DecompressionStream)."));
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

// The two parts of the page: findings and samples.

const TABS = ["findings", "explorer"];

function show(name, focus) {
  for (const tab of TABS) {
    const chosen = tab === name;
    const button = byId(`tab-${tab}`);
    byId(tab).hidden = !chosen;
    button.setAttribute("aria-selected", chosen);
    button.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) button.focus();
  }
}

function connectTabs() {
  for (const [place, tab] of TABS.entries()) {
    const button = byId(`tab-${tab}`);
    button.addEventListener("click", () => {
      show(tab);
      history.replaceState(null, "", tab === "explorer" ? "#samples" : "#");
    });
    button.addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight" || event.key === "ArrowLeft") show(TABS[1 - place], true);
    });
  }
}

// The keyboard: what each key does in the list of samples.

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("explorer").hidden) return;
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && typing) { event.target.blur(); return; }
  if (typing || event.target.closest('[role="tablist"]')) return;
  const action = actionOf(event);
  const scrolling = event.target.closest("#sample") && event.key.length > 1; // arrows and the like move within a sample
  if (action && !event.target.matches("button, a, summary") && !scrolling) { event.preventDefault(); action(); }
}

function actionOf(event) {
  const actions = {
    "/": () => byId("search").focus(),
    j: () => move(state.at + 1), ArrowDown: () => move(state.at + 1),
    k: () => move(state.at - 1), ArrowUp: () => move(state.at - 1),
    Enter: () => event.target.closest("tr[data-row]") && open(state.page * PAGE + event.target.sectionRowIndex),
    PageDown: () => turn(state.page + 1), PageUp: () => turn(state.page - 1),
  };
  return actions[event.key];
}

// Fill the filters, connect what can be pressed, and show the first list.

function fillFilters() {
  const distinct = (values) => [...new Set(values)].filter((value) => value !== null).sort();
  fill(byId("task"), [["", t("all")], ...index.task_runs.map((one, place) => [String(place), `${one.task}: ${one.run}`])]);
  fill(byId("verdict"), [["", t("all")], ...distinct(columns.verdict).map((value) => [value, t(value)])]);
  fill(byId("type"), [["", t("all")], ...distinct(columns.type).map((value) => [`=${value}`, value])]);
  fill(byId("sort"), [["", t("document")], ...Object.keys(metrics).map((name) => [name, name])]);
}

function connectFilters() {
  for (const name of ["task", "verdict", "type", "path", "sort", "descending"]) byId(name).addEventListener("change", select);
  byId("search").addEventListener("input", select);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("start-over").addEventListener("click", () => { byId("filters").reset(); select(); });
  byId("previous").addEventListener("click", () => turn(state.page - 1));
  byId("next").addEventListener("click", () => turn(state.page + 1));
}

function start() {
  connectTabs();
  fillFilters();
  connectFilters();
  document.addEventListener("keydown", keys);
  select();
  follow();
  addEventListener("hashchange", follow);
  document.documentElement.dataset.ready = "true";
}
