// Which curves of a sample are drawn: its candidates with the controls, and what the layers are like.

const MOST_CANDIDATES = 6;
const MORE_CURVES = [
  ["cand_mass", "probability of all candidates", 1],
  ["entropy", "entropy (nats)", null],
  ["jsd_last", "JSD to the last layer (nats)", null],
];

function shares(sample, taskRun) {
  const q = sample.z.map(softmax);
  const order = byWeight(sample, q.at(-1));
  const series = order.slice(0, MOST_CANDIDATES).map((number) => ({
    name: candidateName(sample, number),
    values: q.map((line) => line[number]),
  }));
  series.push(...controlCurves(sample));
  const left = order.length - Math.min(MOST_CANDIDATES, order.length);
  const note = left ? [make("p", { class: "note" }, `${left} more candidates are not drawn.`)] : [];
  const axis = { label: "share among candidates", low: 0, high: 1 };
  return [make("h4", {}, "Candidates by layer"), ...chart(series, taskRun, axis), ...note];
}

// The gold answer first, then the answer given, then the others by their share at the last layer.
function byWeight(sample, last) {
  const weight = (number) => (number === sample.gold ? 2 : 0) + (number === sample.pred ? 1 : 0);
  const order = sample.candidates.map((_, number) => number);
  return order.sort((a, b) => weight(b) - weight(a) || (last[b] || 0) - (last[a] || 0));
}

function candidateName(sample, number) {
  const gold = number === sample.gold ? " (gold)" : "";
  const answer = number === sample.pred ? " (answer)" : "";
  return sample.candidates[number] + gold + answer;
}

// The answer given, or without one the gold answer, as it was read under other images.
function controlCurves(sample) {
  const answer = sample.pred ?? sample.gold;
  if (answer === null || answer === undefined) return [];
  return Object.entries(sample.controls || {}).map(([name, scores]) => ({
    name: `${sample.candidates[answer]}, ${name} image`,
    values: scores.map((line) => softmax(line)[answer]),
    thin: true,
  }));
}

function lines(sample, taskRun) {
  const found = MORE_CURVES.filter(([name]) => sample.lines[name]).flatMap(([name, label, top]) => {
    const values = sample.lines[name];
    const high = top ?? Math.max(...values.filter((value) => value !== null), 0.01);
    return chart([{ name: label, values }], taskRun, { label, low: 0, high });
  });
  return found.length ? [disclosure("More curves", found)] : [];
}

function softmax(scores) {
  const known = scores.filter((score) => score !== null);
  const top = Math.max(...known);
  const total = known.reduce((sum, score) => sum + Math.exp(score - top), 0);
  return scores.map((score) => (score === null ? null : Math.exp(score - top) / total));
}
