// One row a picture: the picture and its verdict, the teacher's map, the students' maps with their numbers.

function buildRows(state) {
  const {header, root} = state, host = root.querySelector('.rows');
  state.views = [];
  // What is being typed outlives new maps.
  const typed = [...host.querySelectorAll('.row .note')].filter(note => note.value !== note.defaultValue);
  state.drafts = new Map(typed.map(note => [note.closest('.row').dataset.key, note.value]));
  host.style.setProperty('--columns', header.columns.length);
  host.replaceChildren(columnHeads(header), ...header.rows.map((row, r) => rowOf(state, row, r)));
}

function columnHeads(header) {
  const line = element('div', 'heads');
  line.append(element('div', 'corner', header.corner));
  for (const column of header.columns) line.append(headOf(column));
  return line;
}

function headOf(column) {
  const head = element('div', 'head');
  head.append(element('h3', '', column.title));
  head.append(element('span', column.focus ? 'badge focus' : 'badge', column.focus ? 'Under review' : column.badge));
  head.title = [column.title, column.badge, column.facts].filter(Boolean).join(' · ');
  head.classList.toggle('focus', column.focus);
  return head;
}

function rowOf(state, row, r) {
  const {header} = state, line = element('article', 'row'), photo = photoOf(state, r);
  line.dataset.key = row.key;
  line.tabIndex = 0;
  line.setAttribute('aria-label', `${row.title}, explained for ${row.target}`);
  line.onfocus = () => beNow(state, r);
  line.onpointerdown = () => beNow(state, r);
  const path = row.masked ? outline(photo, header.width, header.height) : '';
  line.append(verdictCard(state, row, r, path, photo), ...row.cells.map(cell => cellOf(state, row, r, cell, path)));
  mark(state, row, line.querySelector('.verdicts'));
  return line;
}

function cellOf(state, row, r, cell, path) {
  const column = state.header.columns[cell.column], box = element('div', `cell ${cell.state}`), teacher = row.cells[0];
  box.classList.toggle('focus', column.focus);
  box.dataset.column = column.id;
  box.append(cutText('h4', '', column.title));
  if (cell.state !== 'ready') {
    const hole = element('div', 'hole');
    hole.style.aspectRatio = `${state.header.width} / ${state.header.height}`;
    hole.append(element('p', '', cell.text));
    box.append(hole);
    return box;
  }
  const frame = makeFrame(state, column.title, path);
  const view = {frame, cell, teacher, title: column.title, row: r, list: element('dl', 'numbers')};
  if (cell.column) frame.box.onpointermove = event => {
    if (state.mode !== 'swipe') return;
    const bounds = frame.canvas.getBoundingClientRect();
    state.wipe = Math.min(1, Math.max(0, (event.clientX - bounds.left) / bounds.width));
    state.root.querySelector('.wipe input').value = Math.round(100 * state.wipe);
    keepLook(state);
    later(state);
  };
  const says = element('p', cell.right ? 'says' : 'says wrong', cell.says);
  says.title = cell.says_title;
  frame.box.append(says);
  box.append(frame.box, view.list);
  state.views.push(view);
  return box;
}

const shareText = value => value === null ? '' : `${(100 * value).toFixed(value < .1 ? 1 : 0)}\u202f%`;

function writeNumbers(view, level) {
  const {cell, list} = view, parts = [];
  const add = (label, text, title, bad = false) => { if (text) parts.push({label, text, title, bad}); };
  if (cell.cosine) {
    add('cos', cell.cosine[level] === null ? 'zero map' : rounded(cell.cosine[level], 3), 'Cosine similarity with the teacher’s map, 1 = the same.');
    add('l2', cell.l2[level] === null ? '' : cell.l2[level].toFixed(3), 'Distance of the two maps, each divided by its l2 norm: 0 to 1.41 for maps without negative values.');
  }
  if (cell.point && !cell.flat[level]) {
    const hit = cell.point[level] >= .5;
    add('', hit ? '✓ inside' : '✕ outside', 'Whether the map’s maximum lies in the outlined mask.', !hit);
    add('in mask', shareText(cell.mass[level]), 'Share of the positive values’ sum inside the mask.');
  }
  if (level && cell.plain[level] && !cell.flat[level]) add('', 'plain gradient', 'Still the map of the whole network: what is gone so far changes nothing in it.');
  drawNumbers(list, parts);
}

// What the columns, marks, numbers and keys are.
function legendOf(header) {
  const list = element('dl', 'columns');
  for (const column of header.columns) list.append(element('dt', '', column.title), element('dd', '', [column.focus ? 'Under review' : '', column.badge, column.facts].filter(Boolean).join(' · ')));
  for (const [name, text] of header.legend) list.append(element('dt', '', name), element('dd', '', text));
  return [list];
}
