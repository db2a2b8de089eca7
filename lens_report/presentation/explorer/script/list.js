// The list of samples: filters, search, order, pages.

const PAGE = 50;
const state = { rows: [], page: 0, at: -1, opened: 0 };
const searched = columns.question.map((question, row) =>
  `${columns.doc[row]}\n${question}\n${columns.gold[row]}\n${columns.answer[row]}`.toLowerCase());

function select() {
  const wanted = { search: byId("search").value.trim().toLowerCase() };
  for (const name of ["task", "verdict", "type", "path"]) wanted[name] = byId(name).value;
  const rows = [];
  for (let row = 0; row < index.n; row += 1) if (matches(row, wanted)) rows.push(row);
  arrange(rows, metrics[byId("sort").value], byId("descending").checked);
  Object.assign(state, { rows, page: 0, at: -1 });
  list();
}

function matches(row, wanted) {
  return (wanted.task === "" || columns.task_run[row] === Number(wanted.task))
    && (wanted.verdict === "" || columns.verdict[row] === wanted.verdict)
    && (wanted.type === "" || columns.type[row] === wanted.type.slice(1))
    && (wanted.path === "" || columns[wanted.path][row] === 1)
    && (wanted.search === "" || searched[row].includes(wanted.search));
}

// By a metric, or in the order of the records without one; samples without a value stand last in either direction.
function arrange(rows, values, descending) {
  if (!values) {
    if (descending) rows.reverse();
    return;
  }
  const sign = descending ? -1 : 1;
  rows.sort((a, b) => {
    if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
    return sign * (values[a] - values[b]) || a - b;
  });
}

function list() {
  const { rows, page } = state;
  const name = byId("sort").value;
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  byId("count").textContent = t("{n} of {all} samples", { n: rows.length, all: index.n });
  byId("page").textContent = t("page {page} of {pages}", { page: page + 1, pages });
  byId("previous").disabled = page === 0;
  byId("next").disabled = page + 1 >= pages;
  byId("metric-head").textContent = name ? name.split(".").slice(1).join(".") : "";
  byId("metric-head").title = name;
  byId("samples").classList.toggle("unsorted", !name);
  const start = page * PAGE;
  const shownRows = rows.slice(start, start + PAGE);
  byId("samples").tBodies[0].replaceChildren(...shownRows.map((row, place) => listed(row, name, start, place)));
}

function listed(row, name, start, place) {
  const line = make("tr", { "data-row": row, tabindex: place ? -1 : 0, "aria-selected": start + place === state.at });
  const verdict = columns.verdict[row];
  const cells = [columns.doc[row], t(verdict), columns.question[row], columns.gold[row], columns.answer[row],
    number(columns.score[row]), name ? number(metrics[name][row]) : ""];
  for (const [column, value] of cells.entries()) {
    const cell = make("td", {}, String(value));
    if (column === 1) cell.className = `verdict-${verdict === "right" || verdict === "wrong" ? verdict : "other"}`;
    if (column > 1 && column < 5) cell.title = value;
    line.append(cell);
  }
  line.addEventListener("click", () => open(start + place));
  return line;
}

function turn(page) {
  const last = Math.max(0, Math.ceil(state.rows.length / PAGE) - 1);
  state.page = Math.min(Math.max(page, 0), last);
  list();
}

// Open a sample of the list and move between samples.

function move(to) {
  if (!state.rows.length) return;
  const at = Math.min(Math.max(to, 0), state.rows.length - 1);
  const page = Math.floor(at / PAGE);
  if (page !== state.page) { state.page = page; list(); }
  open(at);
}

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
    body = [make("p", { class: "note" }, t("This sample cannot be shown: {why}", { why: error.message }))];
  }
  if (turnNumber === state.opened) { // a later choice has not overtaken this one
    byId("sample").replaceChildren(...body);
    byId("sample").scrollTop = 0;
    byId("sample").dataset.row = row;
    setAddress(row);
    if (isNarrow()) byId("sample").scrollIntoView();
  }
}

// The address of a sample: task, run and document, so that a reload, a link and a report that is built anew show the same.

function addressOf(row) {
  const { task, run } = index.task_runs[columns.task_run[row]];
  return `#sample=${[task, run, String(columns.doc[row])].map(encodeURIComponent).join("/")}`;
}

function setAddress(row) {
  history.replaceState(null, "", addressOf(row));
}

function addressed() {
  if (!location.hash.startsWith("#sample=")) return -1;
  for (let row = 0; row < index.n; row += 1) if (addressOf(row) === location.hash) return row;
  return -1;
}

// Show the sample that the address names, or the list of samples.
function follow() {
  if (location.hash === "#samples") show("explorer");
  const row = addressed();
  if (row < 0) return;
  show("explorer");
  if (!state.rows.includes(row)) { byId("filters").reset(); select(); }
  move(state.rows.indexOf(row));
}

const isNarrow = () => matchMedia("(max-width: 900px)").matches;
