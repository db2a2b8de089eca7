// What the page holds: a head that is there at once, and parts that are unpacked when they are needed. Parts stand in the
// page, or in files beside it; a page that opens from disk may read no file, but it may run a script that hands its part over.

const index = JSON.parse(byId("index").textContent);
const parts = new Map();
const awaited = new Map();
let columns = {};

window.mmlens = (name, text) => awaited.get(name)(text);

function part(name) {
  if (!parts.has(name)) {
    const found = textOf(name).then(unpack);
    found.catch(() => parts.delete(name)); // the next try reads it again
    parts.set(name, found);
  }
  return parts.get(name);
}

async function textOf(name) {
  const element = byId(name);
  if (element) return element.textContent;
  return new Promise((resolve, reject) => {
    const script = make("script", { src: `${index.folder}/${name}.js` });
    awaited.set(name, resolve);
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", () => {
      script.remove();
      reject(new Error(t("{name} is missing, which belongs beside this page", { name: `${index.folder}/${name}.js` })));
    });
    document.head.append(script);
  });
}

async function unpack(text) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error(t("This browser is too old to unpack the samples (it lacks DecompressionStream)."));
  }
  const bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// Documents: samples of several runs that were asked the same. Of each its samples, in the order of the runs.
let samplesOf = [];

async function openData() {
  columns = await part("columns");
  columns.document.forEach((document, row) => (samplesOf[document] ||= []).push(row));
  columns.disagree = columns.document.map((document) =>
    Number(new Set(samplesOf[document].map((row) => columns.verdict[row])).size > 1));
}

// Values of a metric or a column, of all samples. What was read once is kept.
const values = new Map();

async function valuesOf(name) {
  if (!values.has(name)) {
    const place = index.metrics.indexOf(name);
    if (place >= 0) values.set(name, await part(`metric-${place}`));
    else if (columns[name]) values.set(name, columns[name]);
    else values.set(name, (await allTexts()).flatMap((chunk) => chunk[name]));
  }
  return values.get(name);
}

function metric(name, row) {
  return values.has(name) ? values.get(name)[row] : null;
}

const allTexts = () => Promise.all(Array.from({ length: Math.ceil(index.n / index.text_rows) }, (_, place) => part(`texts-${place}`)));

// The texts and pictures of some samples, by sample.
const texted = new Map();

async function readTexts(rows) {
  for (const row of rows) {
    const chunk = await part(`texts-${Math.floor(row / index.text_rows)}`);
    const at = row % index.text_rows;
    texted.set(row, Object.fromEntries(Object.entries(chunk).map(([name, each]) => [name, each[at]])));
  }
}

// What a search looks through, in lower case.
let searched = null;

async function readSearched() {
  if (searched) return;
  const chunks = await allTexts();
  searched = chunks.flatMap((chunk, place) => chunk.question.map((question, at) =>
    `${columns.doc[place * index.text_rows + at]}\n${question}\n${chunk.gold[at]}\n${chunk.answer[at]}`.toLowerCase()));
}

async function details(row) {
  const samples = await part(`details-${Math.floor(row / index.chunk)}`);
  return unscaled(samples[row % index.chunk]);
}

// Numbers by layer are packed in thousandths.
function unscaled(sample) {
  const scale = (value) => {
    if (value === null || value === undefined) return value;
    if (typeof value === "number") return value / 1000;
    if (Array.isArray(value)) return value.map(scale);
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, scale(one)]));
  };
  const found = { ...sample };
  for (const name of ["z", "pivot", "controls", "lines"]) if (name in sample) found[name] = scale(sample[name]);
  return found;
}

const pictures = new Map();

// Read the pictures of a sample; those that were not kept have none.
async function readPictures(row) {
  const { images, videos } = texted.get(row);
  for (const number of [...images, ...videos.map((video) => video.image)]) {
    const name = `images-${Math.floor(number / index.images_a_chunk)}`;
    if (index.image_parts.includes(name)) pictures.set(number, (await part(name))[number]);
  }
}

const picture = (number) => pictures.get(number);
