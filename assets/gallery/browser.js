// PruneGrad by two ONNX graphs: one scores the neurons, one draws the map of what stays above a threshold.

import * as ort from './ort.wasm.bundle.min.mjs';

const $ = id => document.getElementById(id);
const state = {network: null, sessions: {}, inputs: null, target: null, scores: null, order: null, silent: 0, wanted: null};

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = {wasm: new URL('ort-wasm-simd-threaded.wasm', import.meta.url).href};

async function sessionsOf(network) {
  state.sessions[network.id] ??= Promise.all([network.scores, network.map].map(file =>
    ort.InferenceSession.create(new URL(file, import.meta.url).href, {executionProviders: ['wasm']})));
  return state.sessions[network.id];
}

// The short side to the size of the network, the middle cut out, normalised: (1, 3, H, W).
function prepared(image, {height, width, mean, std}) {
  const canvas = $('picture'), context = Object.assign(canvas, {height, width}).getContext('2d', {willReadFrequently: true});
  const scale = Math.max(width / image.width, height / image.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, (width - image.width * scale) / 2, (height - image.height * scale) / 2, image.width * scale, image.height * scale);
  const pixels = context.getImageData(0, 0, width, height).data, size = height * width, values = new Float32Array(3 * size);
  for (let c = 0; c < 3; c++) for (let i = 0; i < size; i++) values[c * size + i] = (pixels[4 * i + c] / 255 - mean[c]) / std[c];
  return new ort.Tensor('float32', values, [1, 3, height, width]);
}

const classTensor = index => new ort.Tensor('int64', BigInt64Array.of(BigInt(index)), [1]);
const scalar = value => new ort.Tensor('float32', [value], []);
const largest = values => values.reduce((best, value, i) => value > values[best] ? i : best, 0);
const softmax = logits => { const e = [...logits].map(v => Math.exp(v - Math.max(...logits))), sum = e.reduce((a, b) => a + b); return e.map(v => v / sum); };

async function look(image) {
  state.inputs = prepared(image, state.network);
  // The whole network answers by the graph of the map, which is warm then: its first pass is slow.
  const {neurons} = state.network, none = new ort.Tensor('float32', new Float32Array(neurons), [neurons]);
  const [, mapper] = await sessionsOf(state.network);
  const {logits} = await mapper.run({inputs: state.inputs, target: classTensor(0), scores: none, threshold: scalar(-1)});
  $('target').value = state.target = largest(logits.data);
  await rank();
}

async function rank() {
  const [scorer] = await sessionsOf(state.network);
  const {scores} = await scorer.run({inputs: state.inputs, target: classTensor(state.target)});
  state.scores = scores;
  state.order = scores.data.slice().sort();
  state.silent = state.order.findLastIndex(score => score === 0) + 1;
  await draw();
}

// As `Contributions.path` counts: silent neurons first, then the lowest of those that contribute. Which of two
// neighbours is lower can be a matter of a score's last bit, which is another one in every runtime. So the cut goes
// where two neighbours are furthest apart, among the nearest two thousandths of the contributing neurons.
function cut(share) {
  if (share === 0) return {threshold: -1, reached: 0};
  const {order, silent} = state, rest = order.length - silent, reach = Math.ceil(rest / 1000);
  const wanted = Math.min(silent + Math.trunc(share * Math.max(rest - 1, 0)), order.length - 1);
  if (wanted < silent || wanted === order.length - 1) return {threshold: order[wanted], reached: share};
  let place = wanted, widest = 0;
  for (let i = Math.max(silent, wanted - reach); i <= Math.min(wanted + reach, order.length - 2); i++) {
    const apart = order[i + 1] / order[i];
    if (apart > widest) [place, widest] = [i, apart];
  }
  return {threshold: (order[place] + order[place + 1]) / 2, reached: (place - silent + .5) / (rest - 1)};
}

async function draw() {
  const share = +$('share').value, [, mapper] = await sessionsOf(state.network), began = performance.now();
  const {threshold, reached} = cut(share);
  const given = {inputs: state.inputs, target: classTensor(state.target), scores: state.scores, threshold: scalar(threshold)};
  const {map, logits} = await mapper.run(given), took = performance.now() - began;
  paint(map.data);
  const answer = largest(logits.data), p = softmax(logits.data)[state.target], names = state.network.classes;
  const kept = answer === state.target ? 'the answer still' : 'the answer is now';
  $('said').textContent = `${Math.round(100 * share)} % removed, ${kept} ${names[answer]}; ${names[state.target]} at ${p.toFixed(2)}. ${Math.round(took)} ms.`;
  Object.assign($('said').dataset, {share, took});
  globalThis.pruneattr = {map, scores: state.scores, inputs: state.inputs, target: state.target, reached};   // for whoever wants the numbers
}

// The channel of the largest magnitude, signed, scaled to the 99.5th percentile.
function paint(values) {
  const {height, width, lut} = state.network, size = height * width, shown = new Float32Array(size);
  for (let i = 0; i < size; i++) for (let c = 0; c < 3; c++) if (Math.abs(values[c * size + i]) > Math.abs(shown[i])) shown[i] = values[c * size + i];
  const end = shown.map(Math.abs).sort()[Math.floor(.995 * (size - 1))] || 1;
  const context = Object.assign($('map'), {height, width}).getContext('2d'), image = context.createImageData(width, height);
  for (let i = 0; i < size; i++) {
    const level = Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, shown[i] / end)));
    image.data.set([lut[3 * level], lut[3 * level + 1], lut[3 * level + 2], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

// One thing at a time, the last one asked for wins.
let busy = Promise.resolve();
function soon(work) {
  const own = state.wanted = Symbol();
  busy = busy.then(() => own === state.wanted ? work() : null).catch(error => { $('said').textContent = `That did not work: ${error.message}`; });
}

async function opened(source) {
  const image = await createImageBitmap(source instanceof Blob ? source : await (await fetch(source)).blob());
  await look(image);
}

const options = names => names.map((name, i) => new Option(name, i));
const about = await (await fetch('networks.json')).json();
$('network').replaceChildren(...options(about.networks.map(network => network.title)));
function choose() {
  const network = about.networks[$('network').value];
  if (network !== state.network) {
    state.network = network;
    $('example').replaceChildren(...options(network.examples.map(example => example.title)));
    $('about').textContent = `It knows ${network.classes.length} classes and nothing else: ${network.classes.join(', ')}. ${network.note}`;
  }
  $('target').replaceChildren(...options(state.network.classes));
  const own = $('file').files[0];
  soon(() => opened(own ?? state.network.examples[$('example').value].file));
}
$('network').addEventListener('change', choose);
$('example').addEventListener('change', () => { $('file').value = ''; choose(); });
$('file').addEventListener('change', choose);
$('target').addEventListener('change', () => { state.target = +$('target').value; soon(rank); });
$('share').addEventListener('input', () => soon(draw));
addEventListener('dragover', event => { event.preventDefault(); document.body.classList.add('drop'); });
addEventListener('dragleave', () => document.body.classList.remove('drop'));
addEventListener('drop', event => {
  event.preventDefault();
  document.body.classList.remove('drop');
  if (event.dataTransfer.files.length) { $('file').files = event.dataTransfer.files; choose(); }
});
choose();
