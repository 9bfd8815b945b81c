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

test('what plays in steps is at its end with the last step, not a step later', context => {
  let tick;
  context.mock.method(globalThis, 'setInterval', act => { tick = act; });
  const {playThrough} = from(['browser/controls'], ['playThrough']), seen = [];
  const play = (at, points) => playThrough({root: {isConnected: true}, at, points, stepwise: true, move: to => seen.push(to), done: () => seen.push('done')});
  play(.08, [0, .08, .09, .1]);
  tick();
  assert.deepEqual(seen, [.09]);
  tick();
  assert.deepEqual(seen, [.09, .1, 'done']);
  play(.1, [0, .1]);
  tick();
  assert.deepEqual(seen.slice(3), ['done']);
});
