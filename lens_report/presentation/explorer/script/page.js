// The page: find and make elements, tabs, keys, start.

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

// A name that may be broken behind its underscores.
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part, place) => (place ? [make("wbr"), part] : [part]));
}

// A table that scrolls by itself where it is wider than its place.
function framed(label, table) {
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}

function number(value) {
  return value === null || value === undefined ? "–" : Number.isInteger(value) ? String(value) : value.toFixed(3);
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
      if (tab === "explorer") setAddress();
      else history.replaceState(null, "", "#");
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

// Connect what can be pressed, and show the list and the sample that the address names.

async function start() {
  connectTabs();
  await openData();
  fillFilters();
  connectFilters();
  document.addEventListener("keydown", keys);
  await follow();
  addEventListener("hashchange", follow);
  document.documentElement.dataset.ready = "true";
}
