// The sentence under the title.

const className = (header, index) => header.classes[index] ?? `class ${index}`;

// Pieces [text, role]; roles "answer" and "broken" are shown in bold. In mode freeze the curve is that of removal.
function sentence(header, level, dial) {
  const now = header.levels[level], first = header.levels[0].answer, broken = now.answer !== first;
  const name = className(header, now.answer), target = className(header, header.target), p = chance(now.target_probability);
  const share = percent(shareOf(now, dial)), frozen = header.mode === 'freeze';
  const things = header.things ?? 'neurons', kind = dial === 'all' ? `all ${things}` : `the contributing ${things}`;
  const pieces = now.sparsity === 0 ? [[`All ${things} kept, the answer is `, '']]
    : frozen ? [[`${share} of ${kind} frozen, the answer untouched; removed, it would ${broken ? 'become ' : 'still be '}`, '']]
      : [[`${share} of ${kind} removed, the answer ${broken ? 'is now ' : 'still '}`, '']];
  pieces.push([name, broken ? 'broken' : 'answer']);
  if (now.answer === header.target) pieces.push([` at ${p}.`, '']);
  else pieces.push([', ', ''], [target, 'answer'], [` at ${p}.`, '']);
  if (now.plain && now.sparsity > 0) pieces.push([' Only silent neurons went, so this is still the plain gradient.', '']);
  return pieces;
}
