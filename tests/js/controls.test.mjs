// Controls that several components share.

import assert from 'node:assert/strict';
import test from 'node:test';
import {from} from './scripts.mjs';

test('a full screen that the browser refuses is no error of ours', async () => {
  const focused = [], button = {}, slider = {focus: () => focused.push(true)};
  globalThis.document = {fullscreenElement: null, exitFullscreen: () => Promise.reject(new Error('not granted'))};
  const {presentsFull} = from(['browser/controls'], ['presentsFull']);
  presentsFull(button, {requestFullscreen: () => Promise.reject(new Error('not granted'))}, slider);
  await button.onclick();
  assert.equal(focused.length, 0);
  document.fullscreenElement = {};
  await button.onclick();
  document.fullscreenElement = null;
  presentsFull(button, {requestFullscreen: () => Promise.resolve()}, slider);
  await button.onclick();
  assert.equal(focused.length, 1);
  presentsFull(button, {}, slider);  // a browser without one
  await button.onclick();
  delete globalThis.document;
});
