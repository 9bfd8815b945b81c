// The strip: a choice that is about to be sent outlives a redraw.

import assert from 'node:assert/strict';
import test from 'node:test';
import {from} from './scripts.mjs';

const {go, onward, standing} = from(['strip/strip'], ['go', 'onward', 'standing']);

test('a redraw takes no choice back that is about to be sent', () => {
  const strip = more => ({count: 9, of: 'samples', at: 5, ...more});
  assert.equal(standing(strip({timer: 7}), 'samples', 4), 5);
  assert.equal(standing(strip({timer: 0}), 'samples', 4), 4);
  assert.equal(standing(strip({}), 'samples', 3), 3);
});

test('in another data set a step goes on from its first picture, a picture of the former one is none', () => {
  const sent = [];
  const strip = more => ({
    count: 9, of: 'samples', at: 5, thumbs: {children: []}, box: {}, send: (_, news) => sent.push(news), ...more,
  });
  const pressed = strip({});
  onward(pressed, 1);
  onward(pressed, 1);
  pressed.count = 4;
  pressed.at = standing(pressed, 'scenes', 3);
  assert.equal(pressed.at, 1);
  clearTimeout(pressed.timer);
  const chosen = strip({});
  go(chosen, 7, 50);
  assert.equal(standing(chosen, 'scenes', 0), 0);
  assert.equal(chosen.timer, 0);
  const back = strip({timer: 0, step: 3});
  go(back, 7, 50);
  onward(back, 1);
  assert.equal(back.step, 1);                            // after a picture by its place only what follows is a step
  clearTimeout(back.timer);
  assert.deepEqual(sent, []);
});
