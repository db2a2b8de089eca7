// The written steps of a response: what each says, and what the model would answer if it stopped there.

function chain(sample) {
  const own = sample.steps;
  if (!own) return [];
  const told = own.status && own.status !== "ok" ? [make("p", { class: "note" }, t("Not measured: {what}.", { what: own.status }))] : [];
  if (!own.tokens) return own.status.startsWith("nothing") ? [] : [make("h4", {}, t("Steps of the response")), ...told];
  const items = own.forced ? [make("li", { value: 0 }, make("p", {}, t("without any step")), forced(sample, 0))] : [];
  own.tokens.forEach((count, place) => {
    const said = t("{n} tokens, mean entropy {value} nats", { n: count, value: number(own.entropy[place] / 1000) });
    const text = own.texts ? [make("p", { class: "question" }, own.texts[place])] : [];
    items.push(make("li", { value: place + 1 }, ...text, make("p", { class: "note" }, said), ...(own.forced ? [forced(sample, place + 1)] : [])));
  });
  const note = own.forced ? [make("p", { class: "note" }, t("Bars: probability among the candidates if the answer followed here."))] : [];
  const missing = own.texts ? [] : [make("p", { class: "note" }, t("The text of the steps was not recorded whole."))];
  return [make("h4", {}, t("Steps of the response")), ...told, ...missing, make("ol", { class: "chain" }, ...items), ...note];
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
