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
    body = [make("p", { class: "note" }, `This sample cannot be shown: ${error.message}`)];
  }
  if (turnNumber === state.opened) { // a later choice has not overtaken this one
    byId("sample").replaceChildren(...body);
    byId("sample").scrollTop = 0;
    byId("sample").dataset.row = row;
  }
}
