// Fill the filters, connect what can be pressed, and show the first list.

function fillFilters() {
  const distinct = (values) => [...new Set(values)].filter((value) => value !== null).sort();
  fill(byId("task"), [["", "all"], ...index.task_runs.map((one, place) => [String(place), `${one.task}: ${one.run}`])]);
  fill(byId("verdict"), [["", "all"], ...distinct(columns.verdict).map((value) => [value, value])]);
  fill(byId("type"), [["", "all"], ...distinct(columns.type).map((value) => [`=${value}`, value])]);
  fill(byId("sort"), [["", "document"], ...Object.keys(metrics).map((name) => [name, name])]);
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
  if (location.hash === "#samples") show("explorer");
  select();
  document.documentElement.dataset.ready = "true";
}
