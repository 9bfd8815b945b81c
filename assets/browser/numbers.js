// Numbers as people say them.

const percent = share => {
  const value = 100 * share, digits = value > 99 && value < 100 ? 1 : 0;
  const shown = value.toFixed(digits);
  return `${+shown === 100 && value < 100 ? '>99.9' : shown}\u202f%`;
};
const chance = p => p >= .995 && p < 1 ? '>0.99' : p > 0 && p < .005 ? '<0.01' : p.toFixed(2);
const signedNumber = value => (value > 0 ? '+' : value < 0 ? '\u2212' : '') + amount(Math.abs(value));
const amount = value => value === 0 ? '0' : value >= .001 && value < 1000 ? value.toPrecision(3) : value.toExponential(1);
