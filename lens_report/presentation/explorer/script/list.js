// The list of samples, a page at a time, and the sample that is open. Of documents that several runs were asked, the row
// shows the first run that fits the filters, and the verdicts of all.

const PAGE = 50;
const FIXED = ["doc", "verdict", "question", "gold", "answer", "score"];

async function list() {
  const { rows, page, selected } = state;
  const start = page * PAGE;
  const shownRows = rows.slice(start, start + PAGE);
  const names = [...new Set([byId("metric").value, ...state.ranges.keys()])].filter(Boolean);
  try {
    await readTexts(shownRows);
  } catch (error) {
    byId("count").textContent = t("This sample cannot be shown: {why}", { why: error.message });
    return;
  }
  if (selected !== state.selected || page !== state.page) return;
  const all = joined(byId("task").value) ? samplesOf.length : index.n;
  const several = all < index.n || index.task_runs.length > new Set(index.task_runs.map((one) => one.task)).size;
  const said = { n: rows.length, all };
  byId("count").textContent = several && joined(byId("task").value) ? t("{n} of {all} documents", said) : t("{n} of {all} samples", said);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  byId("page").textContent = t("page {page} of {pages}", { page: page + 1, pages });
  byId("previous").disabled = page === 0;
  byId("next").disabled = page + 1 >= pages;
  heads(names);
  byId("samples").tBodies[0].replaceChildren(...shownRows.map((row, place) => listed(row, names, start, place)));
}

// Column headers: a press sorts by the column, another one turns the order round.
function heads(names) {
  const line = byId("samples").tHead.rows[0];
  while (line.cells.length > FIXED.length) line.lastChild.remove();
  for (const name of names) line.append(make("th", { scope: "col" }, make("button", { type: "button", "data-sort": name, title: name }, ...breakable(short(name)))));
  for (const cell of line.cells) {
    const sorted = cell.firstChild.dataset.sort === state.sort;
    cell.setAttribute("aria-sort", sorted ? (state.descending ? "descending" : "ascending") : "none");
  }
}

function listed(row, names, start, place) {
  const line = make("tr", { "data-row": row, tabindex: place ? -1 : 0, "aria-selected": start + place === state.at });
  const own = texted.get(row);
  const cells = [columns.doc[row], null, own.question, own.gold, own.answer, number(columns.score[row]),
    ...names.map((name) => number(metric(name, row)))];
  for (const [column, value] of cells.entries()) {
    const cell = value === null ? verdicts(row) : make("td", {}, String(value));
    if (column > 1 && column < 5) cell.title = value;
    line.append(cell);
  }
  line.addEventListener("click", () => open(start + place));
  return line;
}

const looks = (verdict) => `verdict-${verdict === "right" || verdict === "wrong" ? verdict : "other"}`;

function verdicts(row) {
  const runs = joined(byId("task").value) ? samplesOf[columns.document[row]] : [row];
  if (runs.length === 1) return make("td", { class: looks(columns.verdict[row]) }, t(columns.verdict[row]));
  const said = runs.map((each) => `${index.task_runs[columns.task_run[each]].run}: ${t(columns.verdict[each])}`);
  const marks = runs.map((each, place) => make("span", { class: `${looks(columns.verdict[each])} mark`, role: "img", "aria-label": said[place], title: said[place] }));
  return make("td", { title: said.join("; ") }, ...marks);
}

async function turn(page) {
  const last = Math.max(0, Math.ceil(state.rows.length / PAGE) - 1);
  state.page = Math.min(Math.max(page, 0), last);
  await list();
}

// Open a sample of the list and move between samples.

async function move(to) {
  if (!state.rows.length) return;
  const at = Math.min(Math.max(to, 0), state.rows.length - 1);
  const page = Math.floor(at / PAGE);
  if (page !== state.page) { state.page = page; await list(); }
  await open(at);
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
  const runs = joined(byId("task").value) ? samplesOf[columns.document[row]] : [row];
  let body;
  try {
    body = await pagesOf(runs);
  } catch (error) {
    body = [make("p", { class: "note" }, t("This sample cannot be shown: {why}", { why: error.message }))];
  }
  if (turnNumber === state.opened) { // a later choice has not overtaken this one
    byId("sample").replaceChildren(...body);
    byId("sample").scrollTop = 0;
    byId("sample").dataset.row = row;
    state.sample = addressOf(row);
    setAddress();
    if (isNarrow()) byId("sample").scrollIntoView();
  }
}

// The page of a sample; of a document that several runs were asked, their pages side by side.
async function pagesOf(runs) {
  await Promise.all(index.metrics.map(valuesOf));
  const pages = [];
  for (const [place, row] of runs.entries()) {
    await readTexts([row]);
    await readPictures(row);
    pages.push(page(row, await details(row), place));
  }
  if (pages.length === 1) return pages[0];
  return [make("div", { class: "side" }, ...pages.map((each) => make("div", {}, ...each)))];
}

const isNarrow = () => matchMedia("(max-width: 900px)").matches;
