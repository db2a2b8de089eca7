// What the page holds: an index that is there at once, details and pictures that are unpacked when asked for.

const index = JSON.parse(byId("index").textContent);
const columns = index.columns;
const metrics = index.metrics;
const chunks = new Map();

function details(row) {
  const number = Math.floor(row / index.chunk);
  if (!chunks.has(number)) chunks.set(number, unpack(byId(`details-${number}`).textContent));
  return chunks.get(number).then((samples) => samples[row % index.chunk]);
}

async function unpack(text) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("This browser is too old to unpack the samples (it lacks DecompressionStream).");
  }
  const bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const pictures = new Map();

function picture(number) {
  const chunk = Math.floor(number / index.images_a_chunk);
  if (!pictures.has(chunk)) {
    const element = byId(`images-${chunk}`);
    pictures.set(chunk, element ? JSON.parse(element.textContent) : {});
  }
  return pictures.get(chunk)[number];
}
