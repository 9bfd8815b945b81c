// The strip: a choice that is about to be sent outlives a redraw.

import assert from 'node:assert/strict';
import test from 'node:test';
import {from} from './scripts.mjs';

const {standing} = from(['strip/strip'], ['standing']);

test('a redraw takes no choice back that is about to be sent', () => {
  assert.equal(standing({timer: 7, of: 'samples', at: 5}, 'samples', 4), 5);
  assert.equal(standing({timer: 0, of: 'samples', at: 5}, 'samples', 4), 4);
  assert.equal(standing({timer: 7, of: 'samples', at: 5}, 'scenes', 0), 0);
  assert.equal(standing({}, 'samples', 3), 3);
});
