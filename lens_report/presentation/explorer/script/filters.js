// Filters, the order of the list, and the address that says both.

const state = { rows: [], page: 0, at: -1, opened: 0, selected: 0, sort: "", descending: false, ranges: new Map(), sample: "" };
const SELECTS = ["task", "verdict", "type", "path", "metric"];
const DEFAULT_METRIC = "label_free.final_margin";
const short = (name) => name.split(".").slice(1).join(".");

function fillFilters() {
  const distinct = (found) => [...new Set(found)].filter((value) => value !== null).sort();
  fill(byId("task"), [["", t("all")], ...tasks(), ...index.task_runs.map((one, place) => [String(place), `${one.task}: ${one.run}`])]);
  fill(byId("verdict"), [["", t("all")], ...distinct(columns.verdict).map((value) => [value, t(value)])]);
  fill(byId("type"), [["", t("all")], ...distinct(columns.type).map((value) => [`=${value}`, value])]);
  fill(byId("metric"), index.metrics.map((name) => [name, name]));
  if (!columns.disagree.includes(1)) byId("path").querySelector('[value="disagree"]').remove();
  resetFilters();
}

// Tasks that several runs have: chosen by themselves their documents are listed once.
function tasks() {
  const names = index.task_runs.map((one) => one.task);
  return [...new Set(names)].filter((name) => names.filter((each) => each === name).length > 1).map((name) => [`=${name}`, name]);
}

function resetFilters() {
  byId("filters").reset();
  if (index.metrics.includes(DEFAULT_METRIC)) byId("metric").value = DEFAULT_METRIC;
  Object.assign(state, { sort: "", descending: false });
  state.ranges.clear();
  showRanges();
}

function connectFilters() {
  for (const name of SELECTS.slice(0, -1)) byId(name).addEventListener("change", select);
  byId("metric").addEventListener("change", () => { showRanges(); select(); });
  for (const name of ["from", "to"]) byId(name).addEventListener("input", () => { readRange(); select(); });
  byId("search").addEventListener("input", select);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("start-over").addEventListener("click", () => { resetFilters(); select(); });
  byId("export").addEventListener("click", download);
  byId("previous").addEventListener("click", () => turn(state.page - 1));
  byId("next").addEventListener("click", () => turn(state.page + 1));
  byId("samples").tHead.addEventListener("click", (event) => {
    const key = event.target.dataset.sort;
    if (!key) return;
    Object.assign(state, { descending: state.sort === key && !state.descending, sort: key });
    select();
  });
}

// A range of the metric that is shown; ranges of other metrics stay until they are taken away.
function readRange() {
  const [low, high] = ["from", "to"].map((name) => (byId(name).value === "" ? null : Number(byId(name).value)));
  if (low === null && high === null) state.ranges.delete(byId("metric").value);
  else state.ranges.set(byId("metric").value, [low, high]);
}

function showRanges() {
  const [low, high] = state.ranges.get(byId("metric").value) || [null, null];
  byId("from").value = low ?? "";
  byId("to").value = high ?? "";
  const others = [...state.ranges].filter(([name]) => name !== byId("metric").value);
  byId("ranges").hidden = !others.length;
  byId("ranges").replaceChildren(...others.map(([name, range]) => {
    const text = `${short(name)} ${range.map((value) => value ?? "…").join(" – ")}`;
    const button = make("button", { type: "button", "aria-label": t("Take away the range {what}", { what: text }) }, `${text} ×`);
    button.addEventListener("click", () => { state.ranges.delete(name); showRanges(); select(); });
    return make("li", {}, button);
  }));
}

function wish() {
  const wanted = { search: byId("search").value.trim().toLowerCase(), ranges: [...state.ranges] };
  for (const name of SELECTS) wanted[name] = byId(name).value;
  return wanted;
}

// A choice that comes later overtakes this one, which then returns false.
async function select() {
  const turnNumber = ++state.selected;
  byId("explorer").setAttribute("aria-busy", "true");
  const wanted = wish();
  if (wanted.search) await readSearched();
  for (const name of [wanted.metric, state.sort, ...state.ranges.keys()]) if (name) await valuesOf(name);
  if (turnNumber !== state.selected) return false;
  const fitting = [];
  for (let row = 0; row < index.n; row += 1) if (matches(row, wanted) && inRanges(row, wanted.ranges)) fitting.push(row);
  const rows = joined(wanted.task) ? firstOfEach(fitting) : fitting;
  arrange(rows, values.get(state.sort), state.descending);
  Object.assign(state, { fitting, rows, page: 0, at: -1 });
  showRanges();
  histogram(wanted);
  setAddress();
  await list();
  if (turnNumber === state.selected) byId("explorer").removeAttribute("aria-busy");
  return turnNumber === state.selected;
}

function matches(row, wanted) {
  const taskRun = columns.task_run[row];
  return (wanted.task === "" || String(taskRun) === wanted.task || `=${index.task_runs[taskRun].task}` === wanted.task)
    && (wanted.verdict === "" || columns.verdict[row] === wanted.verdict)
    && (wanted.type === "" || columns.type[row] === wanted.type.slice(1))
    && (wanted.path === "" || columns[wanted.path][row] === 1)
    && (wanted.search === "" || searched[row].includes(wanted.search));
}

// A sample without a value lies in no range.
function inRanges(row, ranges) {
  return ranges.every(([name, [low, high]]) => {
    const value = metric(name, row);
    return value !== null && (low === null || value >= low) && (high === null || value <= high);
  });
}

// Whether a document is listed once, although several runs were asked it: always, unless one run is chosen.
const joined = (task) => !/^\d+$/.test(task);

function firstOfEach(rows) {
  const seen = new Set();
  return rows.filter((row) => !seen.has(columns.document[row]) && seen.add(columns.document[row]));
}

// In the order of the records without values; samples without a value stand last in either direction.
function arrange(rows, by, descending) {
  if (!by) return;
  const sign = descending ? -1 : 1;
  rows.sort((a, b) => {
    if (by[a] === null || by[b] === null) return (by[a] === null) - (by[b] === null) || a - b;
    return sign * (by[a] < by[b] ? -1 : Number(by[a] > by[b])) || a - b;
  });
}

// The address: the filters that are set, and the sample by task, run and document, so that a reload, a link and a report
// that is built anew show the same.

function addressOf(row) {
  const { task, run } = index.task_runs[columns.task_run[row]];
  return [task, run, String(columns.doc[row])].map(encodeURIComponent).join("/");
}

function setAddress() {
  const wanted = { search: byId("search").value, sort: (state.descending ? "-" : "") + state.sort };
  for (const name of SELECTS) wanted[name] = byId(name).value;
  if (wanted.metric === DEFAULT_METRIC) delete wanted.metric;
  const chosen = Object.entries(wanted).filter(([, value]) => value).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  const ranges = [...state.ranges].map(([name, [low, high]]) => `range=${encodeURIComponent(name)}:${low ?? ""}:${high ?? ""}`);
  const sample = state.sample ? [`sample=${state.sample}`] : [];
  if (!byId("explorer").hidden) history.replaceState(null, "", `#${["samples", ...chosen, ...ranges, ...sample].join("&")}`);
}

function readAddress() {
  resetFilters();
  for (const each of location.hash.slice(1).split("&")) {
    const [name, raw = ""] = [each.split("=", 1)[0], each.split("=").slice(1).join("=")];
    if (name === "sort") Object.assign(state, { descending: raw.startsWith("-"), sort: decodeURIComponent(raw).replace(/^-/, "") });
    else if (name === "range") setRange(raw);
    else if (name === "search" || SELECTS.includes(name)) choose(byId(name), decodeURIComponent(raw));
  }
  if (state.sort && !byId("samples").querySelector(`[data-sort="${CSS.escape(state.sort)}"]`) && !index.metrics.includes(state.sort)) state.sort = "";
}

function setRange(text) {
  const [name, ...ends] = text.split(":");
  const range = ends.map((end) => (end === "" || Number.isNaN(Number(end)) ? null : Number(end)));
  if (index.metrics.includes(decodeURIComponent(name)) && range.length === 2) state.ranges.set(decodeURIComponent(name), range);
}

// What a link names and this page has not is not chosen.
function choose(element, value) {
  if (!element.options || [...element.options].some((option) => option.value === value)) element.value = value;
}

function addressed() {
  const named = location.hash.slice(1).split("&").find((each) => each.startsWith("sample="));
  return named ? columns.doc.findIndex((_, row) => addressOf(row) === named.slice("sample=".length)) : -1;
}

// Show what the address says.
async function follow() {
  const told = /^#(samples|sample=)/.test(location.hash);
  const row = told ? addressed() : -1;
  if (told && row < 0 && location.hash.includes("sample=") && state.fitting) return; // a sample that is not here
  if (told) { readAddress(); show("explorer"); }
  if (!(await select()) || row < 0) return;
  if (placeOf(row) < 0) { resetFilters(); await select(); }
  await move(placeOf(row));
}

const placeOf = (row) => state.rows.findIndex((each) => (joined(byId("task").value) ? columns.document[each] === columns.document[row] : each === row));

// A cell of a CSV file; a text that a spreadsheet would run as a formula gets a leading apostrophe.
function csvCell(value) {
  if (value === null) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// The samples that fit, of all runs, with all their metrics.
async function download() {
  await readTexts(state.fitting);
  for (const name of index.metrics) await valuesOf(name);
  const head = ["task", "run", "doc", "verdict", "score", "type", "question", "gold", "answer", ...index.metrics];
  const lines = state.fitting.map((row) => {
    const { task, run } = index.task_runs[columns.task_run[row]];
    const { question, gold, answer } = texted.get(row);
    return [task, run, columns.doc[row], columns.verdict[row], columns.score[row], columns.type[row], question, gold, answer,
      ...index.metrics.map((name) => metric(name, row))];
  });
  const text = [head, ...lines].map((line) => line.map(csvCell).join(",")).join("\r\n");
  const link = make("a", { href: URL.createObjectURL(new Blob(["\uFEFF", text, "\r\n"], { type: "text/csv" })), download: "samples.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
