// The sentence under the title.

const className = (header, index) => header.classes[index] ?? `class ${index}`;
// Whose probability is read: of the class explained, or of any of a group.
const whose = header => header.whose ?? className(header, header.target);

const likelihood = header => `${header.valued ? 'Value' : 'Probability'} of ${whose(header)}`;
const likely = (header, level) => (header.valued ? valued : chance)(level.target_probability);

// Pieces [text, role]; roles "answer" and "broken" are shown in bold. In mode freeze the curve is that of removal.
function sentence(header, level, dial) {
  const now = header.levels[level], first = header.levels[0].answer, broken = now.answer !== first;
  const name = className(header, now.answer), target = whose(header), p = likely(header, now);
  const share = percent(shareOf(now, dial)), frozen = header.mode === 'freeze';
  const things = header.things ?? 'neurons', kind = dial === 'all' ? `all ${things}` : `the contributing ${things}`;
  if (header.valued) {
    const moved = `${p} instead of ${likely(header, header.levels[0])}.`;
    const [before, after] = now.sparsity === 0 ? [`All ${things} kept, `, ` is ${p}.`]
      : frozen ? [`${share} of ${kind} frozen, the answer untouched; removed, `, ` would be ${moved}`]
        : [`${share} of ${kind} removed, `, ` is ${moved}`];
    return [[before, ''], [target, 'answer'], [after, '']];
  }
  const pieces = now.sparsity === 0 ? [[`All ${things} kept, the answer is `, '']]
    : frozen ? [[`${share} of ${kind} frozen, the answer untouched; removed, it would ${broken ? 'become ' : 'still be '}`, '']]
      : [[`${share} of ${kind} removed, the answer ${broken ? 'is now ' : 'still '}`, '']];
  pieces.push([name, broken ? 'broken' : 'answer']);
  if (now.answer === header.target && !header.whose) pieces.push([` at ${p}.`, '']);
  else pieces.push([', ', ''], [target, 'answer'], [` at ${p}.`, '']);
  return pieces;
}

// What to look for at a level, or why nothing is to be seen there.
function lookFor(header, level) {
  const now = header.levels[level];
  if (now.peak === 0) return 'The map is zero: no neuron that is left connects the picture to this answer.';
  if (now.plain && now.sparsity > 0) return 'Still the plain gradient: what went so far moves no map. Drag on to the right.';
  if (now.sparsity > 0 && now.sparsity <= header.quiet + 1e-6) return 'Only silent neurons went, yet some were at work: the map has moved. Drag on to the right.';
  return 'Drag right: the map gathers on what decided.';
}

// Words of the glossary that are explained below the view as well.
const EXPLAINED = ['Contribution', 'Contributing', 'Taylor', 'Integrated', 'Sparsity', 'Dead', 'Silent', 'Zero', 'Freeze', 'Output change', 'Plain gradient', '15 % mean change'];
