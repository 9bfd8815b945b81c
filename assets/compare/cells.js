// The grid itself: one picture card or header per image, one cell per method and image.

function buildGrid(state) {
  const {header, root} = state, grid = root.querySelector('.grid'), several = header.images.length > 1;
  const rows = header.layout === 'rows';
  grid.dataset.layout = several ? header.layout : 'cards';
  grid.style.setProperty('--across', several ? (rows ? header.images.length : header.methods.length) : '');
  const old = new Map([...grid.children].map(node => [node.dataset.key, node]));
  const nodes = [];
  state.views = [];
  const add = (key, node, row, column) => {
    node.dataset.key = key;
    if (several) { node.style.gridRow = rows ? row : column; node.style.gridColumn = rows ? column : row; }
    else node.style.gridRow = node.style.gridColumn = '';
    nodes.push(node);
  };
  if (several) add('corner', element('div', 'corner', rows ? 'Method' : 'Picture'), 1, 1);
  header.images.forEach((image, j) => add(`image-${image.block.id}`, pictureCard(state, image, j), 1, j + 2));
  header.methods.forEach((method, i) => {
    if (several) add(`method-${method.name}`, methodHead(method), i + 2, 1);
    header.images.forEach((_, j) => {
      const cell = header.cells.find(c => c.method === i && c.image === j);
      const key = `cell-${method.name}-${j}-${cell.mark}`;
      add(key, old.get(key)?.dataset.lone === String(!several) ? reuse(state, old.get(key), cell) : cellCard(state, cell, !several), i + 2, j + 2);
    });
  });
  grid.replaceChildren(...nodes);
}

function pictureCard(state, image, j) {
  const card = element('article', 'cell picture'), frame = makeFrame(state, {image: j, words: image.title}, 'div');
  const head = element('header');
  head.append(element('h3', '', state.header.images.length > 1 ? image.title : 'Picture'));
  paintPhoto(frame.canvas, state.header, state.arrays.get(image.block.id));
  state.views.push({frame, image: j});
  const said = element('div', 'said');
  said.append(element('p', 'answer', image.answer));
  if (image.covered) said.append(element('p', 'note', image.covered));
  card.append(head, frame.box, said);
  return card;
}

function methodHead(method) {
  const head = element('div', 'method-head');
  const title = element('h3', '', method.title);
  head.append(title);
  if (method.badge) head.append(element('span', 'badge', method.badge));
  head.append(noteOf(method));
  if (method.mean) head.append(element('p', 'mean', method.mean));
  return head;
}

function noteOf(method) {
  const box = element('div', 'about'), note = element('p', 'note', method.note);
  note.title = method.note;
  box.append(note, cutText('cite', '', method.citation));
  return box;
}

// The page's own buttons are out of reach in full screen, and in a long grid.
const ASKED = {dear: 'Compute', stopped: 'Continue'};

function cellCard(state, cell, lone) {
  const method = state.header.methods[cell.method], card = element('article', `cell ${cell.state}`);
  card.dataset.lone = String(lone);
  card.dataset.state = cell.state;
  if (lone) {
    const head = element('header');
    head.append(element('h3', '', method.title));
    if (method.badge) head.append(element('span', 'badge', method.badge));
    card.append(head);
  }
  if (cell.state !== 'ready' && !cell.track) {
    const hole = element('div', 'hole'), text = element('p', '', cell.text);
    hole.style.aspectRatio = `${state.header.width} / ${state.header.height}`;
    hole.append(text);
    const ask = ASKED[cell.state];
    if (ask && !state.alone) {
      const button = element('button', '', ask);
      button.type = 'button';
      button.setAttribute('aria-label', `${ask}: ${method.title}`);
      button.onclick = () => state.ask('wanted', cell.state);
      hole.append(button);
    }
    card.append(hole);
  } else {
    const frame = makeFrame(state, {image: cell.image, words: wordsOf(method, cell)}, 'button'), remark = element('span', 'remark');
    frame.box.onclick = () => enlarge(state, cell);
    frame.box.append(remark);
    paintMap(frame.canvas, state, cell, state.under);
    card.view = {frame, image: cell.image, cell, value: element('div', 'value'), remark};
    showRemark(state, card.view);
    state.views.push(card.view);
    const list = element('dl', 'numbers');
    drawNumbers(list, cell.numbers);
    card.append(frame.box, card.view.value, list);
    if (cell.curve) drawCurve(card, state.header.curve, cell.curve);
    else card.append(element('div', 'curve pending', cell.curve_text || cell.text));
  }
  if (lone) card.append(noteOf(method));
  return card;
}

// Same map, same numbers: keep the node, so that nothing flickers while other cells arrive.
function reuse(state, node, cell) {
  if (!node.view) return node;
  node.view.cell = cell;
  node.view.frame.box.onclick = () => enlarge(state, cell);
  paintMap(node.view.frame.canvas, state, cell, state.under);
  showRemark(state, node.view);
  state.views.push(node.view);
  return node;
}

function makeFrame(state, {image, words}, tag) {
  const box = element(tag, 'frame'), canvas = element('canvas'), cross = element('span', 'cross');
  if (tag === 'button') { box.type = 'button'; box.title = 'Click to enlarge'; box.setAttribute('aria-label', `Enlarge ${words}`); }
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', words);
  cross.hidden = true;
  box.append(canvas, cross);
  box.onpointermove = event => probeAt(state, canvas, event, image);
  box.onpointerleave = () => probe(state, null);
  box.onkeydown = event => probeByKey(state, event, image);
  return {box, canvas, cross};
}

// One pixel, read in every map of the same picture at once.
function probeAt(state, canvas, event, image) {
  const box = canvas.getBoundingClientRect(), {width, height} = state.header;
  const x = Math.floor((event.clientX - box.left) / box.width * width), y = Math.floor((event.clientY - box.top) / box.height * height);
  probe(state, {image, x: Math.min(width - 1, Math.max(0, x)), y: Math.min(height - 1, Math.max(0, y))});
}

function probeByKey(state, event, image) {
  const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (!step || state.open) return;
  event.preventDefault();
  const {width, height} = state.header, far = event.shiftKey ? 8 : 1;
  const from = state.at?.image === image ? state.at : {x: width >> 1, y: height >> 1};
  probe(state, {image, x: Math.min(width - 1, Math.max(0, from.x + far * step[0])), y: Math.min(height - 1, Math.max(0, from.y + far * step[1]))});
}

function probe(state, at) {
  state.at = at;
  const {header} = state;
  for (const view of [...state.views, ...(state.open?.views ?? [])]) {
    const here = at && view.image === at.image, {cross} = view.frame;
    cross.hidden = !here;
    if (here) { cross.style.left = `${100 * (at.x + .5) / header.width}%`; cross.style.top = `${100 * (at.y + .5) / header.height}%`; }
    if (view.value) view.value.textContent = here ? signedNumber(valueAt(state, view.cell, at)) : '';
  }
  const text = at ? `Pixel x ${at.x}, y ${at.y}: the value of every map stands below it.` : 'Point at a map to read the same pixel in all of them; click one to enlarge it.';
  state.root.querySelector('.toolbar .pixel').textContent = text;
  if (state.open) {
    const value = at ? signedNumber(valueAt(state, state.open.cell, at)) : '';
    state.root.querySelector('.enlarged > .pixel').textContent = at ? `x ${at.x}, y ${at.y}: ${value}` : `Largest magnitude ${amount(shownOf(state, state.open.cell).peak)}.`;
  }
}

function valueAt(state, cell, at) {
  const {codes, peak} = shownOf(state, cell);
  return valueOfCode(peak, codes[at.y * state.header.width + at.x]);
}

const wordsOf = (method, cell) => [method.title, method.badge, cell.words].filter(Boolean).join('. ');
