// The written steps of a response: what each says, what the model would answer if it stopped there, and where it looks.

function chain(row, sample) {
  const own = sample.steps || { status: "ok" };
  const links = sample.step_links;
  if (!sample.steps && !links) return [];
  const told = own.status && own.status !== "ok" ? [make("p", { class: "note" }, t("Not measured: {what}.", { what: own.status }))] : [];
  const count = own.tokens ? own.tokens.length : links ? links.results.length : 0;
  if (!count) return own.status.startsWith("nothing") ? [] : [make("h4", {}, t("Steps of the response")), ...told];
  const items = own.forced ? [make("li", { value: 0 }, make("p", {}, t("without any step")), forced(sample, 0))] : [];
  for (let place = 0; place < count; place += 1) items.push(make("li", { value: place + 1 }, ...partsOfStep(row, sample, own, place)));
  const notes = own.forced ? [t("Bars: probability among the candidates if the answer followed here.")] : [];
  if (links && links.map) notes.push(t("Colour: attention at the end of the step, share of the largest over all steps. Frames: what the step is about."));
  const missing = own.texts || !own.tokens ? [] : [make("p", { class: "note" }, t("The text of the steps was not recorded whole."))];
  const last = notes.length ? [make("p", { class: "note" }, notes.join(" "))] : [];
  return [make("h4", {}, t("Steps of the response")), ...told, ...missing, make("ol", { class: "chain" }, ...items), ...last, ...dropsOfSteps(links)];
}

function partsOfStep(row, sample, own, place) {
  const parts = own.texts ? [make("p", { class: "question" }, own.texts[place])] : [];
  if (own.tokens) {
    const said = t("{n} tokens, mean entropy {value} nats", { n: own.tokens[place], value: number(own.entropy[place] / 1000) });
    parts.push(make("p", { class: "note" }, said));
  }
  parts.push(...linksOfStep(row, sample, place));
  const at = forcedAt(own, place + 1);
  return own.forced && at >= 0 ? [...parts, forced(sample, at)] : parts;
}

// Which of the forced answers follows so many steps; -1 where none was forced there.
function forcedAt(own, after) {
  return own.read ? own.read.indexOf(after) + 1 || -1 : after;
}

// What a step states, where it looks beside the boxes of what it is about, and what depends on it.
function linksOfStep(row, sample, place) {
  const links = sample.step_links;
  if (!links) return [];
  const figures = (links.figures || []).find(([step]) => step === 1000 * place);
  const said = [t("states: {what}", { what: links.results[place] })];
  if (figures) said.push(t("lift {lift}, pointing {pointing}, AUROC {auroc}", thousandths(figures)));
  if (links.words) said.push(t(links.words[place]));
  return [make("p", { class: "note" }, said.join("; ")), ...pictureOfStep(row, sample, place)];
}

function thousandths([, lift, pointing, auroc]) {
  return { lift: number(lift / 1000), pointing: number(pointing / 1000), auroc: number(auroc / 1000) };
}

function pictureOfStep(row, sample, place) {
  const links = sample.step_links;
  const own = sample.picture || {};
  if (!links.map || !own.tokens) return [];
  const tokens = { places: new Int16Array(bytes(own.tokens).buffer), image: bytes(own.image) };
  const boxes = links.boxes.filter((box) => box[5] === place).map((box) => [...box.slice(0, 5), 1]);
  const values = bytes(links.map).subarray(place * tokens.image.length, (place + 1) * tokens.image.length);
  const views = texted.get(row).images.map((file, image) => view(file, image, boxes, tokens));
  views.forEach((each) => each.paint(values, 255));
  return [make("div", { class: "heat-pictures of-step" }, ...views.map((each) => each.element))];
}

// Drops in nats: of each step's result and of the answer, without the boxes of a step or with another result in its text.
function dropsOfSteps(links) {
  if (!links || !links.words) return [];
  const shown = (value) => make("td", {}, number(value === null ? null : value / 1000));
  const titles = ["", ...links.words.map((_, place) => t("result {n}", { n: place + 1 })), t("answer")];
  const head = make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title)));
  const rows = links.words.map((_, place) => make("tr", {}, make("th", { scope: "row" }, t("without the boxes of step {n}", { n: place + 1 })),
    ...links.result_drop[place].map(shown), shown(links.answer_drop[place])));
  const texts = links.words.map((_, place) => make("tr", {}, make("th", { scope: "row" }, t("another result in step {n}", { n: place + 1 })),
    ...links.words.map(() => make("td", {})), shown(links.text_drop[place])));
  const table = make("table", { class: "figures" }, make("thead", {}, head), make("tbody", {}, ...rows, ...texts));
  const said = t("Drops in nats: log p of a step's result, log-odds of the answer.");
  return [make("p", { class: "note" }, said), framed(said, table)];
}

// The candidates at one place: those that matter most there and at the end, the gold answer and the answer given first.
function forced(sample, place) {
  const shares = softmax(sample.steps.forced[place].map((value) => (value === null ? null : value / 1000)));
  const order = byWeight(sample, shares).slice(0, MOST_CANDIDATES);
  const bars = make("dl", { class: "bars" });
  for (const candidate of order) {
    const share = shares[candidate];
    const bar = make("span", { class: "bar" });
    bar.style.width = `${share === null ? 0 : 100 * share}%`;
    bars.append(make("dt", {}, candidateName(sample, candidate)), make("dd", {}, bar, share === null ? t("not recorded") : share.toFixed(3)));
  }
  return bars;
}
