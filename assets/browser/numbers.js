// Numbers as people say them.

// What is rounded to zero has no sign left; a minus is one, not a hyphen.
const rounded = (value, digits) => value.toFixed(digits).replace(/^-(?=[0.]+$)/, '').replace('-', '\u2212');
const percent = share => {
  const value = 100 * share, digits = value > 99 && value < 100 ? 1 : 0;
  const shown = rounded(value, digits);
  return `${+shown === 100 && value < 100 ? '>99.9' : shown}\u202f%`;
};
// A number keeps its sign on its line.
const signHeld = text => text.replace(/(\d) (?=%)/g, '$1\u00a0');
// In tenths, as whoever moves a slider reads it.
const percentTenths = share => {
  const value = 100 * share;
  return `${Number.isInteger(+value.toFixed(6)) || value >= 99.95 ? Math.round(value) : value.toFixed(1)}\u202f%`;
};
// How far an answer has moved; the server counts what is infinite as a million.
const changed = change => change <= 10 ? percent(change) : change < 1e6 ? '>1,000\u202f%' : 'infinite';
const chance = p => p >= .995 && p < 1 ? '>0.99' : p > 0 && p < .005 ? '<0.01' : p.toFixed(2);
// What a network that answers values says; its numbers are no probabilities.
const valued = value => (value < 0 ? '\u2212' : '') + amount(Math.abs(value));
const signedNumber = value => (value > 0 ? '+' : value < 0 ? '\u2212' : '') + amount(Math.abs(value));
// With so many digits after the point; from a thousand on by its size, which can be read.
const sized = (value, digits) => Math.abs(value) < 1000 ? rounded(value, digits) : valued(value);
const amount = value => value === 0 ? '0' : value >= .001 && value < 1000 ? value.toPrecision(3) : value.toExponential(1);
