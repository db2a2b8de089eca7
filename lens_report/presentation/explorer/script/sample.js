// A sample's page.

function page(row, sample, place = 0) {
  const taskRun = index.task_runs[columns.task_run[row]];
  const title = make("h2", {}, t("{task}, document {n} ({run})", { task: taskRun.task, n: columns.doc[row], run: taskRun.run }));
  const back = make("button", { type: "button", class: "back" }, t("Back to the list"));
  back.addEventListener("click", () => byId("count").scrollIntoView());
  const parts = [back, title, make("div", { class: "head" }, shown(row), facts(row, sample))];
  parts.push(...chain(row, sample), ...positions(sample), ...where(row, sample, place));
  if (sample.z) parts.push(...shares(sample, taskRun));
  parts.push(...(taskRun.layers.length ? table(sample, taskRun) : output(sample)), ...lines(sample, taskRun), ...scalars(row));
  return parts;
}

function shown(row) {
  const frame = make("div", { class: "pictures" });
  let missing = 0;
  for (const image of texted.get(row).images) {
    const data = picture(image);
    if (data) frame.append(make("img", { src: `data:image/jpeg;base64,${data}`, alt: t("image of the question"), width: 192 }));
    else missing += 1;
  }
  if (missing) frame.append(make("p", { class: "note" }, missing > 1 ? t("{n} images not kept", { n: missing }) : t("image not kept")));
  return frame;
}

function facts(row, sample) {
  const entries = [[t("gold"), texted.get(row).gold], [t("answer"), texted.get(row).answer], [t("lens verdict"), t(columns.verdict[row])]];
  if (columns.score[row] !== null) entries.push([t("score"), number(columns.score[row])]);
  if (columns.differs[row]) entries.push(["", t("score and lens verdict differ")]);
  if (columns.type[row] !== null) entries.push([t("type"), columns.type[row]]);
  if (columns.lost[row]) entries.push([t("path"), t("correct, then lost")]);
  if (columns.corrected[row]) entries.push([t("path"), t("wrong, then corrected")]);
  if (sample.rule) entries.push([t("answer found by"), sample.rule]);
  if (sample.status) entries.push([t("status"), `${sample.status}: ${sample.reason || t("no reason given")}`]);
  const terms = make("dl");
  for (const [name, value] of entries) terms.append(make("dt", {}, name), make("dd", {}, value || "–"));
  return make("div", {}, make("p", { class: "question" }, texted.get(row).question), terms);
}

function scalars(row) {
  const parts = [];
  for (const [prefix, title] of [["label_free.", t("Label-free metrics")], ["gold_based.", t("Gold-based metrics")], ["score.", t("Scores of the harness")]]) {
    const block = make("div", { class: "scalars" });
    for (const name of index.metrics) {
      if (name.startsWith(prefix) && metric(name, row) !== null) {
        block.append(make("div", {}, make("span", {}, ...breakable(name.slice(prefix.length))), make("span", {}, number(metric(name, row)))));
      }
    }
    if (block.childElementCount) parts.push(make("h4", {}, title), block);
  }
  return parts;
}

// The layers x top-k table of the classic logit lens, the last layer on top.

const TOKEN_DARKER = t("Darker: more probable; point at a token or move to it with Tab for its probability.");
const TOKEN_NOTE = [
  TOKEN_DARKER,
  t("✓ and a green frame: stands for the gold answer. ◂ and a red underline: stands for the answer given."),
].join(" ");
const WHITE_FROM = 0.8; // the colour at which black and white text have the same contrast on white paper, 4.6
const TOKEN_KINDS = [[1, t("gold")], [2, t("answer")], [4, t("another candidate")]];

function table(sample, taskRun) {
  const title = make("h4", {}, t("Most likely tokens by layer"));
  if (!sample.tokens) return [title, make("p", { class: "note" }, t("No tokens were kept for this sample."))];
  const width = Math.max(...sample.tokens.map((line) => line.length));
  const head = make("tr", {}, make("th", { scope: "col" }, t("layer")));
  for (let place = 1; place <= width; place += 1) head.append(make("th", { scope: "col" }, `${place}.`));
  const lens = make("table", { class: "lens" }, make("thead", {}, head), tokenRows(sample, taskRun));
  return [title, make("div", { class: "scroll" }, lens), make("p", { class: "note" }, TOKEN_NOTE)];
}

// The likeliest tokens at the answer, as a server listed them.
function output(sample) {
  const title = make("h4", {}, t("Most likely tokens at the answer"));
  if (!sample.output) return [title, make("p", { class: "note" }, t("The server listed none for this sample."))];
  const line = make("tr", {}, ...sample.output.map(([token, hundredths]) => cell(token, hundredths, 0)));
  const lens = make("table", { class: "lens" }, make("tbody", {}, line));
  const why = Object.entries(sample.uncertain).map(([name, reason]) => make("p", { class: "note" }, t("not certain: {what}", { what: `${name}, ${reason}` })));
  return [title, make("div", { class: "scroll" }, lens), make("p", { class: "note" }, TOKEN_DARKER), ...why];
}

function tokenRows(sample, taskRun) {
  const marks = new Map(sample.marks.map(([layer, place, bits]) => [`${layer} ${place}`, bits]));
  const body = make("tbody");
  for (let layer = sample.tokens.length - 1; layer >= 0; layer -= 1) {
    const number = taskRun.layers[layer];
    const line = make("tr", { "data-layer": number }, make("th", { scope: "row" }, String(number)));
    sample.tokens[layer].forEach((token, place) => {
      line.append(cell(token, sample.logprobs[layer][place], marks.get(`${layer} ${place}`) || 0));
    });
    body.append(line);
  }
  return body;
}

// Line breaks, tabs and nothing as signs.
const visible = (token) => token.replace(/\n/g, "⏎").replace(/\t/g, "⇥") || "␀";

function cell(token, hundredths, bits) {
  const p = hundredths === null ? null : Math.exp(hundredths / 100);
  const element = make("td", { tabindex: 0 }, visible(token));
  const kinds = TOKEN_KINDS.filter(([bit]) => bits & bit).map(([, name]) => name);
  element.title = `${JSON.stringify(token)}: p = ${probability(p)}${kinds.length ? ` (${kinds.join(", ")})` : ""}`;
  element.setAttribute("aria-label", element.title);
  element.dataset.p = p === null ? "" : p.toPrecision(3);
  if (bits & 1) element.classList.add("gold");
  if (bits & 2) element.classList.add("answer");
  const strength = p === null ? 0 : Math.sqrt(p);
  const opacity = 0.04 + 0.9 * strength;
  element.style.backgroundColor = `rgba(0, 90, 150, ${opacity.toFixed(2)})`;
  element.classList.add(opacity < WHITE_FROM ? "pale" : "strong");
  return element;
}

function probability(p) {
  if (p === null) return t("not recorded");
  return p >= 0.001 ? p.toFixed(3) : p.toExponential(1);
}
