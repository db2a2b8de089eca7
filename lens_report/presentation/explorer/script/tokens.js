// Every token of a response by layer, as the classic table of positions and layers: what a layer would have said there.

const POSITIONS_NOTE = [
  t("A column is a token of the response, a cell the likeliest token of a layer at the position that predicted it. Darker: more probable."),
  t("◂ and a red underline: the token that was given. Point at a cell, or move to it with Tab, for the probability and the rank of that token."),
].join(" ");

function positions(sample) {
  const own = sample.every;
  if (!own) return [];
  const title = make("h4", {}, t("Tokens of the response by layer"));
  if (!own.step) return own.status.startsWith("nothing") ? [] : [title, make("p", { class: "note" }, t("Not measured: {what}.", { what: own.status }))];
  const given = own.given.map((place) => own.texts[place]);
  const numbers = own.step.map((step, place) => make("th", { scope: "col" }, make("span", { class: "step" }, String(step + 1)), ` ${visible(given[place])}`));
  const body = make("tbody");
  for (let layer = own.layers.length - 1; layer >= 0; layer -= 1) {
    const cells = own.step.map((_, place) => said(own, given, place, layer));
    body.append(make("tr", { "data-layer": own.layers[layer] }, make("th", { scope: "row" }, String(own.layers[layer])), ...cells));
  }
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, t("layer")), ...numbers));
  const lens = make("table", { class: "lens positions" }, head, body);
  const left = own.left ? [make("p", { class: "note" }, t("{n} more tokens are not drawn.", { n: own.left }))] : [];
  return [title, framed(title.textContent, lens), make("p", { class: "note" }, POSITIONS_NOTE), ...left];
}

function said(own, given, place, layer) {
  const element = cell(own.texts[own.top[place][layer]], own.top_logprob[place][layer], 0);
  if (own.top[place][layer] === own.given[place]) element.classList.add("answer");
  const p = Math.exp(own.logprob[place][layer] / 100);
  element.title += `; ${t("given: {token}, p = {p}, rank {rank}", { token: JSON.stringify(given[place]), p: probability(p), rank: own.rank[place][layer] })}`;
  element.setAttribute("aria-label", element.title);
  return element;
}
