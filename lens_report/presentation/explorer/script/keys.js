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
