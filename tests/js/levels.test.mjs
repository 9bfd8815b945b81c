import assert from 'node:assert/strict';
import test from 'node:test';
import {from} from './scripts.mjs';

const level = (at, sparsity, contributing, change, answer = 0) => ({at, sparsity, contributing, change, answer, scale: 2, target_probability: .5, plain: contributing === 0});
const LEVELS = [level(0, 0, 0, 0), level(.1, .5, 0, 0), level(.55, .9, .8, .1), level(1, .98, .96, .4, 1)];
const {decodeValue, around, shareOf, nearestLevel, levelForChange, sentence, lookFor} = from(
  ['browser/numbers', 'scrubber/levels', 'scrubber/words'], ['decodeValue', 'around', 'shareOf', 'nearestLevel', 'levelForChange', 'sentence', 'lookFor']);
const {placeIn, atRest, sameOn, isPlain, remarkOf} = from(['compare/live'], ['placeIn', 'atRest', 'sameOn', 'isPlain', 'remarkOf']);
const {valueOfCode} = from(['compare/payload'], ['valueOfCode']);
const {valueAt, pointAt} = from(['stage/chart'], ['valueAt', 'pointAt']);
const {brokenZones} = from(['scrubber/track'], ['brokenZones']);

test('a code is a value on the level\'s scale', () => {
  const signed = {signed: true, levels: LEVELS};
  assert.equal(decodeValue(signed, 0, 128), 0);
  assert.equal(decodeValue(signed, 0, 255), 2);
  assert.equal(decodeValue(signed, 0, 1), -2);
  assert.equal(decodeValue({...signed, signed: false}, 0, 255), 2);
  assert.equal(valueOfCode(3, 128), 0);
  assert.equal(valueOfCode(3, 255), 3);
  assert.equal(valueOfCode(3, 1), -3);
});

test('between two levels the map is blended, but nothing lies inside the quiet share', () => {
  assert.deepEqual(around(LEVELS, .55, .1), {low: 2, high: 3, share: 0, nearest: 2});
  assert.ok(Math.abs(around(LEVELS, .325, .1).share - .5) < 1e-9);
  assert.equal(around(LEVELS, .4, .1).nearest, 2);
  assert.deepEqual(around(LEVELS, .02, .1), {low: 0, high: 1, share: 0, nearest: 0});
  assert.deepEqual(around(LEVELS, .05, .1), {low: 0, high: 1, share: 1, nearest: 1});
  assert.equal(around(LEVELS, .05, 0).share, .5);
  assert.deepEqual(around(LEVELS, 2, .1), {low: 2, high: 3, share: 1, nearest: 3});
});

test('the nearest level is nearest by what is kept', () => {
  assert.equal(shareOf(LEVELS[2], 'all'), .9);
  assert.equal(shareOf(LEVELS[2], 'contributing'), .8);
  assert.equal(nearestLevel(LEVELS, .93, 'all'), 2);   // ten and two of a hundred are kept; seven is nearer to ten
  assert.equal(nearestLevel(LEVELS, .96, 'all'), 3);
  assert.equal(nearestLevel(LEVELS, .5, 'contributing'), 0);
});

test('an allowed change is the first level beyond it, or the last', () => {
  assert.equal(levelForChange(LEVELS, .05), 2);
  assert.equal(levelForChange(LEVELS, .1), 3);
  assert.equal(levelForChange(LEVELS, 9), 3);
});

test('the sentence says what was removed and what the answer became', () => {
  const header = {levels: LEVELS, classes: {0: 'cat', 1: 'dog'}, target: 0, mode: 'zero'};
  const said = (k, mode = 'zero') => sentence({...header, mode}, k, 'all').map(([text]) => text).join('');
  assert.match(said(0), /^All neurons kept, the answer is cat at 0.50\.$/);
  assert.match(lookFor(header, 1), /plain gradient/);
  assert.doesNotMatch(lookFor(header, 0) + lookFor(header, 3), /plain gradient/);
  assert.match(said(3), /removed, the answer is now dog, cat at 0.50\.$/);
  assert.match(said(3, 'freeze'), /frozen, the answer untouched; removed, it would become dog/);
});

test('of a network that answers values the sentence says the value, not a probability', () => {
  const levels = LEVELS.map((level, k) => ({...level, answer: 0, target_probability: -1.5 + k})), header = {levels, classes: {0: 'age'}, target: 0, valued: true};
  const said = (k, mode = 'zero') => sentence({...header, mode}, k, 'all').map(([text]) => text).join('');
  assert.equal(said(0), 'All neurons kept, age is \u22121.50.');
  assert.match(said(3), /removed, age is 1\.50 instead of \u22121\.50\.$/);
  assert.match(said(3, 'freeze'), /frozen, the answer untouched; removed, age would be 1\.50 instead of \u22121\.50\.$/);
});

test('levels with another answer are one zone, half-way to their neighbours', () => {
  const zones = brokenZones(LEVELS);
  assert.equal(zones.length, 1);
  assert.equal(zones[0].to, 1);
  assert.ok(Math.abs(zones[0].from - .775) < 1e-9);
  assert.deepEqual([...zones[0].answers], [1]);
});

const TRACK = {quiet: .5, levels: [
  {share: 0, change: 0, plain: true}, {share: 1e-8, change: 0, plain: false}, {share: .8, change: .1, plain: false}, {share: .96, change: .4, plain: false},
]};

test('a place of the grid\'s dial is a place between levels on each scale', () => {
  assert.deepEqual(placeIn(TRACK, 'contributing', .8), {low: 2, high: 3, part: 0, nearest: 2});
  assert.equal(placeIn(TRACK, 'contributing', .4).part.toFixed(6), '0.500000');
  assert.equal(placeIn(TRACK, 'contributing', .4).low, 1);
  assert.equal(placeIn(TRACK, 'contributing', 0).nearest, 0);
  assert.equal(placeIn(TRACK, 'all', .9).low, 2);      // .9 of all is .8 of the contributing half
  assert.deepEqual(placeIn(TRACK, 'all', .3), {low: 1, high: 2, part: 0, nearest: 1});  // all silent ones went
  assert.equal(placeIn(TRACK, 'all', 0).nearest, 0);
  assert.deepEqual(placeIn(TRACK, 'change', .1), {low: 3, high: 3, part: 0, nearest: 3});
  assert.equal(sameOn('all', {dial: 'contributing', share: .8}, TRACK), .9);
  assert.equal(sameOn('contributing', {dial: 'all', share: .9}, TRACK), .8);
  assert.equal(sameOn('contributing', {dial: 'all', share: .3}, TRACK), 1e-8);
  assert.equal(sameOn('contributing', {dial: 'all', share: 0}, TRACK), 0);
  assert.equal(sameOn('all', {dial: 'contributing', share: 1e-8}, TRACK), .5);
});

test('a map says that it is the plain gradient where it is, not where silent neurons went', () => {
  const state = {header: {rest: null}, dial: 'all'}, cell = {track: TRACK}, silent = structuredClone(TRACK);
  silent.levels[1].plain = true;
  assert.deepEqual([0, .3, .9].map(share => isPlain({...state, share}, cell)), [true, false, false]);
  assert.deepEqual([0, .3, .9].map(share => isPlain({...state, share}, {track: silent})), [true, true, false]);
});

test('of a map on which there is nothing to see it is said', () => {
  const cell = {block: {}, peak: 0, plain: true}, state = {header: {}, arrays: new Map()};
  assert.match(remarkOf(state, cell), /^The map is zero/);
  assert.match(remarkOf(state, {...cell, peak: 1}), /^Still the plain gradient/);
  assert.equal(remarkOf(state, {...cell, peak: 1, plain: false}), '');
});

test('a map rests where it was computed', () => {
  const state = {header: {rest: {dial: 'contributing', share: .8}}, dial: 'contributing', share: .8}, cell = {block: {}, track: TRACK};
  assert.ok(atRest(state, cell));
  assert.ok(!atRest({...state, share: .9}, cell));
  assert.ok(!atRest({...state, dial: 'all'}, cell));
  assert.ok(atRest({...state, share: .9}, {block: {}}));
});

test('a curve is straight between points, and undefined beside what is undefined', () => {
  const header = {points: [0, .1, .5]}, card = {values: {change: [0, 1, null]}};
  assert.equal(valueAt(header, card, 'change', .05), .5);
  assert.equal(valueAt(header, card, 'change', .1), 1);
  assert.equal(valueAt(header, card, 'change', .3), null);
  assert.equal(pointAt(header, .49), 1);
  assert.equal(pointAt(header, .5), 2);
});
