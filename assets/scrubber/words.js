// Numbers as people say them, and the sentence under the title.

const percent = share => {
  const value = 100 * share, digits = value > 99 && value < 100 ? 1 : 0;
  const shown = value.toFixed(digits);
  return `${shown === '100' && value < 100 ? '>99' : shown}\u202f%`;
};
const chance = p => p >= .995 && p < 1 ? '>0.99' : p > 0 && p < .005 ? '<0.01' : p.toFixed(2);
const signedNumber = value => (value > 0 ? '+' : value < 0 ? '\u2212' : '') + amount(Math.abs(value));
const amount = value => value === 0 ? '0' : value >= .001 && value < 1000 ? value.toPrecision(3) : value.toExponential(1);
const className = (header, index) => header.classes[index] ?? `class ${index}`;

// Pieces [text, role]; roles "answer" and "broken" are shown in bold. In mode freeze the curve is that of removal.
function sentence(header, level) {
  const now = header.levels[level], first = header.levels[0].answer, broken = now.answer !== first;
  const name = className(header, now.answer), target = className(header, header.target), p = chance(now.target_probability);
  const share = percent(now.sparsity), frozen = header.mode === 'freeze';
  const pieces = now.sparsity === 0 ? [['All neurons kept, the answer is ', '']]
    : frozen ? [[`${share} of neurons frozen, the answer untouched; removed, it would ${broken ? 'become ' : 'still be '}`, '']]
      : [[`${share} of neurons removed, the answer ${broken ? 'is now ' : 'still '}`, '']];
  pieces.push([name, broken ? 'broken' : 'answer']);
  if (now.answer === header.target) pieces.push([` at ${p}.`, '']);
  else pieces.push([', ', ''], [target, 'answer'], [` at ${p}.`, '']);
  return pieces;
}
