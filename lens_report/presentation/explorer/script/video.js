// A video: one frame at a time, with the map and the tracks of that frame.

const HIDDEN = 0;

function player(video, place, tracks, tokens) {
  const data = picture(video.image);
  const count = video.frames.length;
  const found = make("div", { class: "heat-picture", role: "img" });
  const still = make("div", { class: "still" });
  const sheet = make("img", { alt: "" }); // its size is known when it is loaded: the frames stand side by side in it
  if (data) {
    sheet.addEventListener("load", () => {
      found.style.aspectRatio = `${sheet.naturalWidth / count} / ${sheet.naturalHeight}`;
      still.style.backgroundImage = `url(${sheet.src})`;
      still.style.backgroundSize = `${100 * count}% 100%`;
    });
    sheet.src = `data:image/jpeg;base64,${data}`;
  } else found.classList.add("missing");
  const canvas = surface(t("map over video {n}", { n: place + 1 }));
  const svg = overlay();
  found.append(still, canvas, svg);
  const time = make("input", { class: "time", type: "range", min: 0, max: count - 1, step: 1, value: 0, "aria-label": t("time of video {n}", { n: place + 1 }) });
  const said = make("output");
  let painted = () => {};
  const go = () => {
    const at = Number(time.value);
    const number = video.frames[at];
    const name = t("frame {n}", { n: number + 1 }) + (video.times ? t(", {n} s", { n: video.times[at].toFixed(2) }) : "");
    still.style.backgroundPosition = count > 1 ? `${(100 * at) / (count - 1)}% 0` : "0 0";
    found.setAttribute("aria-label", t("video {n}, {what}", { n: place + 1, what: name }));
    time.setAttribute("aria-valuetext", name);
    svg.replaceChildren();
    let seen = "";
    for (const [left, top, right, bottom, frame, asked, percent] of tracks) {
      if (frame !== number) continue;
      mark(svg, [left, top, right, bottom], `${asked ? "asked" : "other"}${percent === HIDDEN ? " hidden" : ""}`);
      if (asked) seen += t("; asked about: {n} % seen", { n: percent });
    }
    said.textContent = name + seen;
    painted(number);
  };
  time.addEventListener("input", go);
  go();
  const element = make("div", { class: "heat-video" }, found, make("label", { class: "heat-controls" }, t("Time"), " ", time, said));
  const paintAt = (values, top) => {
    painted = (number) => paint(canvas, tokens.places, values, top, (token) =>
      tokens.image[token] === place && tokens.frames[2 * token] <= number && number <= tokens.frames[2 * token + 1]);
    painted(video.frames[Number(time.value)]);
  };
  return { element, paint: paintAt };
}
