// How a metric is spread over right and wrong answers: those of the list, whatever the range of this metric is.

const BINS = 24;
const HISTOGRAM = { width: 640, height: 120, left: 8, right: 8, middle: 54, high: 48 };

function histogram(wanted) {
  const name = wanted.metric;
  const others = wanted.ranges.filter(([each]) => each !== name);
  const found = { right: [], wrong: [] };
  for (let row = 0; name && row < index.n; row += 1) {
    const value = metric(name, row);
    const kind = columns.verdict[row];
    if (value !== null && kind in found && matches(row, wanted) && inRanges(row, others)) found[kind].push(value);
  }
  const all = [...found.right, ...found.wrong];
  byId("histogram").hidden = all.length < 2;
  if (all.length >= 2) byId("histogram").replaceChildren(...spread(short(name), found, all));
}

function spread(name, found, all) {
  const [low, high] = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
  const shares = Object.fromEntries(Object.entries(found).map(([kind, each]) => [kind, binned(each, low, high)]));
  const top = Math.max(...shares.right, ...shares.wrong);
  const said = Object.entries(found).map(([kind, each]) =>
    t("{kind}: {n}, median {value}", { kind: t(kind), n: each.length, value: number(median(each)) }));
  const svg = draw("svg", {
    viewBox: `0 0 ${HISTOGRAM.width} ${HISTOGRAM.height}`, role: "img", "aria-label": `${name}. ${said.join("; ")}`,
  });
  const wide = (HISTOGRAM.width - HISTOGRAM.left - HISTOGRAM.right) / BINS;
  for (const [kind, bins] of Object.entries(shares)) {
    bins.forEach((share, place) => {
      const tall = (HISTOGRAM.high * share) / top;
      const bar = draw("rect", {
        class: kind, x: HISTOGRAM.left + place * wide, width: wide - 1, height: tall,
        y: kind === "right" ? HISTOGRAM.middle - tall : HISTOGRAM.middle,
      });
      const ends = [place, place + 1].map((at) => number(low + ((high - low) * at) / BINS)).join(" – ");
      bar.append(draw("title", {}, `${t(kind)}, ${ends}: ${(100 * share).toFixed(1)} %`));
      svg.append(bar);
    });
  }
  for (const [value, x, anchor] of [[low, HISTOGRAM.left, "start"], [high, HISTOGRAM.width - HISTOGRAM.right, "end"]]) {
    svg.append(draw("text", { x, y: HISTOGRAM.height - 4, "text-anchor": anchor }, number(value)));
  }
  const note = t("{name}: shares of the right answers above the line, of the wrong ones below; {what}.", { name, what: said.join("; ") });
  return [svg, make("p", { class: "note" }, note)];
}

function binned(found, low, high) {
  const bins = new Array(BINS).fill(0);
  for (const value of found) bins[high > low ? Math.min(BINS - 1, Math.floor((BINS * (value - low)) / (high - low))) : 0] += 1 / found.length;
  return bins;
}

function median(found) {
  if (!found.length) return null;
  const ordered = Float64Array.from(found).sort();
  return (ordered[Math.floor((ordered.length - 1) / 2)] + ordered[Math.ceil((ordered.length - 1) / 2)]) / 2;
}
