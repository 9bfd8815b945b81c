import assert from 'node:assert/strict';
import test from 'node:test';
import {deflateSync} from 'node:zlib';
import {from} from './scripts.mjs';

const {packed, packedAll} = from(['browser/pixels'], ['packed', 'packedAll']);
const stage = painter => from(['browser/numbers', 'browser/pixels', `${painter}/paint`, 'stage/chart', 'stage/cards'], ['PAINTER']).PAINTER;
const {outline} = from(['review/drawing'], ['outline']);
const {overlayAlpha, pointIn} = from(['scrubber/panels'], ['overlayAlpha', 'pointIn']);

test('a pixel is opaque and keeps its colours', () => {
  assert.equal(packed([1, 2, 3], 0) >>> 0, 0xff030201);
  assert.deepEqual([...packedAll([255, 0, 0, 0, 0, 255])], [0xff0000ff, 0xffff0000]);
});

test('a pixel is missing when its rank is below what has gone', () => {
  const state = {header: {order: 'lerf', steady: true, points: [0, .5, 1]}, photo: packedAll([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]), at: .5};
  const card = {pixels: new Uint32Array(4), rank: Uint16Array.of(3, 0, 1, 2), fills: new Uint8Array(12)};
  stage('removal').paint(state, card);
  const seen = packed([9, 9, 9], 0) >>> 0, gone = packed([0, 0, 0], 0) >>> 0;
  assert.deepEqual([...card.pixels], [seen, gone, gone, seen]);
  state.header.order = 'insertion';
  state.at = .25;                                  // three quarters are still missing
  stage('removal').paint(state, card);
  assert.deepEqual([...card.pixels], [seen, gone, gone, gone]);
});

test('the sanity check says what is to come, and only then what is undefined', () => {
  const {total, sentence} = stage('sanity'), state = {measure: {key: 'a'}, header: {points: [0, 1, 2], names: ['trained', '…', '…'], chance: [null, null, null]}, at: 2};
  const card = {means: {a: null}, known: {a: 0}, computing: true};
  assert.equal(total(state, card), 'mean being computed');
  assert.equal(total(state, {...card, computing: false}), 'mean undefined');
  assert.equal(total(state, {means: {a: .5}, known: {a: 1}, computing: true}), 'mean of 1 of 2 steps 0.50');
  assert.equal(sentence(state), 'The steps are being computed.');
  Object.assign(state.header, {points: [0, 1], names: ['trained', 'linear'], chance: [.9, .2]});
  assert.equal(sentence({...state, at: 1}), '1 of 1 step randomised, down to linear. Probability of undefined: 0.20, at first 0.90.');
  assert.equal(sentence({...state, at: 1, header: {...state.header, valued: true, chance: [-3, 41.5]}}), '1 of 1 step randomised, down to linear. Value of undefined: 41.5, at first \u22123.00.');
});

test('a step of the sanity check that is to come is the picture behind a word, and no map of zeros', () => {
  const state = {photo: packedAll([9, 9, 9]), at: 1}, card = {pixels: new Uint32Array(1), codes: Uint8Array.of(1, 0), table: packedAll([0, 0, 0, 5, 5, 5]), there: 1};
  const drawn = () => { stage('sanity').paint(state, card); return card.pixels[0] >>> 0; };
  assert.equal(drawn(), packed([9, 9, 9], 0) >>> 0);
  assert.equal((state.at = 0, drawn()), packed([5, 5, 5], 0) >>> 0);
  assert.equal((state.at = 1, card.there = 2, drawn()), packed([0, 0, 0], 0) >>> 0);
});

test('the outline goes between inside and outside', () => {
  const mask = [0, 255, 0, 0], photo = Uint8Array.from(mask.flatMap(inside => [0, 0, 0, inside]));
  assert.equal(outline(photo, 2, 2), 'M1,0h1M1,0v1M2,0v1M1,1h1');
});

test('an overlay shows strong values and hides zero', () => {
  const alpha = overlayAlpha({signed: true}, 1);
  assert.equal(alpha[128], 0);
  assert.equal(alpha[255], 256);
  assert.equal(alpha[1], 256);
  assert.equal(overlayAlpha({signed: false}, .5)[255], 128);
});

test('the point under the pointer is that of the zoomed picture', () => {
  const panel = {frame: {getBoundingClientRect: () => ({left: 10, top: 20, width: 100, height: 50})}};
  const {x, y} = pointIn({view: {x: .5, y: .5, zoom: 2}}, panel, {clientX: 110, clientY: 20});
  assert.equal(x, .75);
  assert.equal(y, .25);
});

test('photos are summed pixel by pixel, also where each has a fourth value, as in the review', async () => {
  const {openSweep, decodeSweep} = from(['browser/blocks', 'browser/pixels', 'browser/sweep'], ['openSweep', 'decodeSweep']);
  for (const [channels, more] of [[3, {}], [4, {photo_channels: 4}]]) {
    const photo = Array.from({length: 3 * channels}, (_, i) => (37 * i) % 256);
    const steps = photo.map((value, i) => (value - (photo[i - channels] ?? 0)) & 255);
    const maps = deflateSync(Uint8Array.of(1, 2)), seen = deflateSync(Uint8Array.from(steps));
    const head = new TextEncoder().encode(JSON.stringify({planes: 1, height: 1, width: 2, lut: [0, 0, 0], map_bytes: maps.length, ...more}));
    const bytes = new Uint8Array(4 + head.length + maps.length + seen.length);
    new DataView(bytes.buffer).setUint32(0, head.length, true);
    bytes.set(head, 4); bytes.set(maps, 4 + head.length); bytes.set(seen, 4 + head.length + maps.length);
    assert.deepEqual([...(await decodeSweep(openSweep(bytes))).rgb], photo);
  }
});
