import assert from 'node:assert/strict';
import test from 'node:test';
import {deflateSync} from 'node:zlib';
import {from} from './scripts.mjs';

const {percent, chance, rounded, signedNumber, amount, sized} = from(['browser/numbers'], ['percent', 'chance', 'rounded', 'signedNumber', 'amount', 'sized']);
const {openFrame, sumLevels, inflateBlocks} = from(['browser/blocks'], ['openFrame', 'sumLevels', 'inflateBlocks']);

test('a share is never rounded to all or nothing', () => {
  assert.equal(percent(.8), '80\u202f%');
  assert.equal(percent(1), '100\u202f%');
  assert.equal(percent(.9949), '99.5\u202f%');
  assert.equal(percent(.99999), '>99.9\u202f%');
  assert.equal(chance(.999), '>0.99');
  assert.equal(chance(1), '1.00');
  assert.equal(chance(.001), '<0.01');
  assert.equal(chance(0), '0.00');
});

test('what is rounded to zero has no sign', () => {
  assert.deepEqual([-.001, -.004, -.006, 0, -1.5].map(value => rounded(value, 2)), ['0.00', '0.00', '\u22120.01', '0.00', '\u22121.50']);
  assert.equal(percent(-.0001), '0\u202f%');
  assert.equal(percent(-.13), '\u221213\u202f%');
});

test('a number keeps three digits and its sign', () => {
  assert.equal(amount(0), '0');
  assert.equal(amount(12.345), '12.3');
  assert.equal(amount(.0000123), '1.2e-5');
  assert.equal(signedNumber(-2), '\u22122.00');
  assert.equal(signedNumber(2), '+2.00');
});

test('a number of thousands is said by its size', () => {
  assert.deepEqual([0, .125, 151.611, -999.4, 3705742.145, -2640057290].map(value => sized(value, 2)), ['0.00', '0.13', '151.61', '\u2212999.40', '3.7e+6', '\u22122.6e+9']);
});

test('a frame is read as Python writes it, wherever it lies in memory', () => {
  const header = new TextEncoder().encode('{"of":"map\u00e9"}'), bytes = new Uint8Array(3 + 4 + header.length + 2);
  new DataView(bytes.buffer).setUint32(3, header.length, true);
  bytes.set(header, 7);
  bytes.set([8, 9], 7 + header.length);
  const found = openFrame(bytes.subarray(3));
  assert.deepEqual(found.header, {of: 'map\u00e9'});
  assert.deepEqual([...found.blocks], [8, 9]);
});

test('steps from level to level add up and wrap around', () => {
  const values = Uint8Array.of(250, 3, 10, 255, 246, 1);
  sumLevels(values, 2);
  assert.deepEqual([...values], [250, 3, 4, 2, 250, 3]);
});

test('a block is unpacked once, and forgotten when nothing shows it', async () => {
  const data = deflateSync(Uint8Array.of(1, 2, 3)), known = new Map();
  const wanted = [{id: 'a', start: 0, length: data.length}];
  await inflateBlocks(wanted, data, known);
  const first = known.get('a');
  await inflateBlocks(wanted, new Uint8Array(), known);
  assert.equal(known.get('a'), first);
  assert.deepEqual([...first], [1, 2, 3]);
  await inflateBlocks([], data, known);
  assert.equal(known.size, 0);
});
