// Words that explain themselves: those of the glossary, and another language's as long as its lesson stands.

import assert from 'node:assert/strict';
import test from 'node:test';
import {from} from './scripts.mjs';

globalThis.GLOSSARY = [{word: 'Cosine', means: 'An angle.'}, {word: 'Zero', label: true, means: 'Nothing.'}];
const {wordsIn} = from(['browser/glossary'], ['wordsIn']);
const found = text => wordsIn(text).map(({entry, start, end}) => [entry.means, text.slice(start, end)]);

test('a word within a text, a label alone', () => {
  assert.deepEqual(found('Its cosine is 1.'), [['An angle.', 'cosine']]);
  assert.deepEqual(found(' Zero '), [['Nothing.', 'Zero']]);
  assert.deepEqual(found('Zero is a number.'), []);
});

test('another language for a while', () => {
  globalThis.pruneattrGlossary = [{word: 'Kosinus', also: ['cosine'], means: 'Ein Winkel.'}];
  assert.deepEqual(found('Sein Kosinus, the cosine'), [['Ein Winkel.', 'Kosinus'], ['Ein Winkel.', 'cosine']]);
  assert.deepEqual(found('Zero'), []);
  delete globalThis.pruneattrGlossary;
  assert.deepEqual(found('Sein Kosinus, the cosine'), [['An angle.', 'cosine']]);
});
