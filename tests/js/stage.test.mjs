import assert from 'node:assert/strict';
import test from 'node:test';
import {from} from './scripts.mjs';

const {tell} = from(['stage/stage'], ['tell']);

test('what the hand says is told once, and before all cards are there', context => {
  context.mock.timers.enable({apis: ['setTimeout']});
  const said = [], state = {header: {of: 'these', start: {token: 3}, complete: false}, at: .4, measure: {key: 'change'}, range: 'all', send: (_, news) => said.push(news)};
  tell(state);
  tell(state);
  context.mock.timers.tick(1000);
  assert.deepEqual(said.map(({of, token, at}) => [of, token, at]), [['these', 3, .4]]);
  assert.equal(state.telling, null);
});
