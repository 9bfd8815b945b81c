// The explorer's texts in German: all of what it says, and numbers as Germans write them.

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import test from 'node:test';
import {from} from './scripts.mjs';

const {germanOf, SEEN} = from(['share/german'], ['germanOf', 'SEEN']);
const {sentence, lookFor} = from(['browser/numbers', 'scrubber/levels', 'scrubber/words'], ['sentence', 'lookFor']);
const level = (sparsity, contributing, answer) => ({at: 0, sparsity, contributing, change: 0, answer, target_probability: .48, plain: contributing === 0, peak: 1});
const header = mode => ({mode, quiet: .5, target: 0, classes: {0: 'Kreis', 1: 'Stern'}, levels: [level(0, 0, 0), level(.5, 0, 0), level(.9, .8, 0), level(.99, .975, 1)]});

test('sentences', () => {
  for (const mode of ['zero', 'freeze']) for (const dial of ['all', 'contributing']) for (let k = 0; k < 4; k++) {
    const words = sentence(header(mode), k, dial), english = words.map(([text]) => text).join(''), seek = lookFor(header(mode), k);
    for (const [text, role] of words) if (!role && text !== ', ') assert.notEqual(germanOf(text), text);
    assert.match(germanOf(`${english} ${seek}`), /^(Alle|[\d.,>]+\u202f%).*(Kreis|Stern).* mit 0,48\. (Nach rechts|Noch der einfache)/);
  }
  for (const mode of ['zero', 'freeze']) for (const dial of ['all', 'contributing']) for (let k = 0; k < 4; k++) {
    const words = sentence({...header(mode), valued: true}, k, dial);
    for (const [text, role] of words) if (!role) assert.notEqual(germanOf(text), text);
    assert.match(germanOf(words.map(([text]) => text).join('')), /^(Alle|[\d.,>]+\u202f%).*Kreis (ist|wäre) 0,480/);
  }
  const moved = header('zero');
  moved.levels[1].plain = false;
  assert.match(germanOf(lookFor(moved, 1)), /^Nur stumme .* Die Karte ist eine andere/);
});

test('numbers, notes and what is nobody\'s', () => {
  assert.equal(germanOf('89\u202f% of all removed · 1,725 of 16,384 neurons left'), '89\u202f% von allen entfernt · noch 1.725 von 16.384 Neuronen');
  assert.equal(germanOf('Probability of star 0.48'), 'Wahrscheinlichkeit von star: 0,48');
  assert.equal(germanOf('Value of age \u22121.50'), 'Wert von age: \u22121,50');
  const shaded = 'Shaded: 47 % of the 16,384 neurons contribute nothing to this answer, to first order. They go all at once';
  assert.match(germanOf(`${shaded}, and no map changes inside the shade. More.`), /^Schattiert: 47 % der 16\.384 Neuronen .* keine Karte\. More\.$/);
  assert.match(germanOf(`${shaded}; some are at work, so the map moves. More.`), /^Schattiert: 47 % der 16\.384 Neuronen .* bewegt sich die Karte\. More\.$/);
  assert.match(germanOf(`${shaded}. More.`), /^Schattiert: 47 % der 16\.384 Neuronen .* alle zugleich\. More\.$/);
  const preset = 'Only the 47 % of neurons that contribute nothing to first order are removed';
  for (const what of ['still the plain gradient', 'the map moves, for some are at work here']) assert.match(germanOf(`${preset}: ${what}.`), /^Nur die 47 % Neuronen/);
  assert.equal(germanOf('a photograph'), 'a photograph');
  assert.equal(germanOf('−3.5e-4'), '−3,5e-4');
  assert.equal(germanOf('Map: plus and minus zoom, arrows move, 0 resets; Ctrl and wheel zooms too'), 'Karte: Plus und Minus vergrößern, Pfeile schieben, 0 stellt zurück; auch Strg und Rad');
  assert.equal(germanOf('Map at 0\u202f% removed. 39 % of the positive mass in the top-left quarter; 50 % of all mass is negative.'), 'Karte, 0\u202f% entfernt. 39 % der positiven Masse im Viertel oben links; 50 % aller Masse sind negativ.');
});

test('every text of the explorer\'s page is known', () => {
  const page = readFileSync(new URL('../../assets/scrubber/scrubber.html', import.meta.url), 'utf-8').replaceAll('&#9654;', '▶').replace(/&\w+;/g, '');
  const texts = [...page.matchAll(/(?:title|aria-label)="([^"]+)"|>([^<>]*[a-z][^<>]*)</g)].map(found => found[1] ?? found[2]);
  assert.ok(texts.length > 15 && SEEN.length > 50);
  for (const text of texts) if (text !== 'Zoom') assert.notEqual(germanOf(text), text, text);
});

test('what stands side by side is said part by part', () => {
  const tool = JSON.parse(readFileSync(new URL('../../assets/lessons/de/tool.json', import.meta.url)));
  const {translator} = from(['browser/numbers', 'share/german', 'lessons/translate'], ['translator']), say = translator(tool, text => text);
  assert.equal(say('AUC 0.0213 over 10\u202f% · the same order as Gradient'), 'Fläche 0,0213 über 10\u202f% · dieselbe Reihenfolge wie Gradient');
  assert.equal(say('AUC 3.7e+6 over 100\u202f%'), 'Fläche 3,7e+6 über 100\u202f%');
  for (const [value, german] of [['≈ 0.05', '≈ 0,05'], ['1.7e+7', '1,7e+7'], ['undefined', 'nicht bestimmt'], ['…', '…']]) assert.equal(say(`change ${value}`), `Änderung ${german}`);
  assert.equal(say('|p₀ - p| / p₀ of star: p₀ is only 6.5e-10, so the probability tells more · drawn up to 3'), '|p₀ - p| / p₀ von star: p₀ ist nur 6,5e-10, also sagt die Wahrscheinlichkeit mehr · gezeichnet bis 3');
  assert.equal(say('3.2 · nobody said this'), '3,2 · nobody said this');
});
