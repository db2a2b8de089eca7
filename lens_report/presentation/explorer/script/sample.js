// A sample's page.

function page(row, sample) {
  const taskRun = index.task_runs[columns.task_run[row]];
  const title = make("h2", {}, `${taskRun.task}, document ${columns.doc[row]} (${taskRun.run})`);
  const parts = [title, make("div", { class: "head" }, shown(row), facts(row, sample))];
  if (sample.z) parts.push(...shares(sample, taskRun));
  parts.push(...table(sample, taskRun), ...lines(sample, taskRun), ...scalars(row));
  return parts;
}

function shown(row) {
  const frame = make("div", { class: "pictures" });
  let missing = 0;
  for (const image of columns.images[row]) {
    const data = picture(image);
    if (data) frame.append(make("img", { src: `data:image/jpeg;base64,${data}`, alt: "image of the question", width: 192 }));
    else missing += 1;
  }
  if (missing) frame.append(make("p", { class: "note" }, missing > 1 ? `${missing} images not kept` : "image not kept"));
  return frame;
}

function facts(row, sample) {
  const entries = [["gold", columns.gold[row]], ["answer", columns.answer[row]], ["verdict", columns.verdict[row]]];
  if (columns.type[row] !== null) entries.push(["type", columns.type[row]]);
  if (columns.lost[row]) entries.push(["path", "correct, then lost"]);
  if (columns.corrected[row]) entries.push(["path", "wrong, then corrected"]);
  if (sample.rule) entries.push(["answer found by", sample.rule]);
  if (sample.status) entries.push(["status", `${sample.status}: ${sample.reason || "no reason given"}`]);
  const terms = make("dl");
  for (const [name, value] of entries) terms.append(make("dt", {}, name), make("dd", {}, value || "–"));
  return make("div", {}, make("p", { class: "question" }, columns.question[row]), terms);
}

function scalars(row) {
  const parts = [];
  for (const [prefix, title] of [["label_free.", "Label-free metrics"], ["gold_based.", "Gold-based metrics"], ["score.", "Scores of the harness"]]) {
    const block = make("div", { class: "scalars" });
    for (const [name, values] of Object.entries(metrics)) {
      if (name.startsWith(prefix) && values[row] !== null) {
        block.append(make("div", {}, make("span", {}, name.slice(prefix.length)), make("span", {}, number(values[row]))));
      }
    }
    if (block.childElementCount) parts.push(make("h4", {}, title), block);
  }
  return parts;
}
