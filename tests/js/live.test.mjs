import assert from 'node:assert/strict';
import test from 'node:test';
import {from} from './scripts.mjs';

const {takeDial} = from(['browser/controls', 'browser/numbers', 'compare/live'], ['takeDial']);

const part = () => ({dataset: {}, setAttribute() {}});
const header = (of, token) => ({of, start: {token, dial: 'all', share: .7}, rest: {dial: 'all', share: .7}, stops: {all: [0, .5, .9], contributing: [0, .5, .9]}});

// The hand has moved to .5 of the contributing neurons; a grid comes that Python starts at .7 of all.
const placeAfter = (hand, before, next) => {
  const state = {root: {querySelector: part, querySelectorAll: () => []}, header: next, dial: 'contributing', share: .5, ...hand};
  takeDial(state, before);
  return [state.dial, state.share];
};

test('a grid that comes while the hand is at the dial, or has just let go, does not move it', () => {
  for (const hand of [{held: true}, {telling: 5}])
    for (const next of [header('these', 1), header('these', 2), header('others', 2)]) assert.deepEqual(placeAfter(hand, header('these', 1), next), ['contributing', .5]);
});

test('otherwise another grid, or one that a link has moved, starts where Python says', () => {
  assert.deepEqual(placeAfter({}, header('these', 1), header('these', 1)), ['contributing', .5]);
  for (const next of [header('these', 2), header('others', 2)]) assert.deepEqual(placeAfter({}, header('these', 1), next), ['all', .7]);
  assert.deepEqual(placeAfter({}, undefined, header('these', 1)), ['all', .7]);
});
