// Methods by pictures on canvases: hovering, enlarging and blending never ask the server.

const GRIDS = new WeakMap();

export default function ({data, parentElement: root, setStateValue, setTriggerValue, alone}) {
  let state = GRIDS.get(root);
  if (!state) { GRIDS.set(root, state = {root, known: {arrays: new Map(), tracks: new Map(), summed: new WeakSet()}, under: 0, views: []}); wireGrid(state); explainWords(root); }
  Object.assign(state, {send: setStateValue, ask: setTriggerValue, alone});   // alone: outside the app nobody computes numbers anew
  const payload = openFrame(data);
  if (state.id === payload.header.id) return;
  state.id = payload.header.id;
  const there = () => { root.querySelector('.compare').inert = false; };  // a press before would be nobody's
  decodeGrid(payload, state.known).finally(there).then(decoded => {
    if (state.id === decoded.header.id) showGrid(state, decoded);      // else a newer one has come meanwhile
  }, () => { root.querySelector('.toolbar .pixel').textContent = 'This browser cannot unpack the maps; please update it.'; });
}

function showGrid(state, decoded) {
  const {root} = state, {header} = decoded, at = state.at, open = state.open, before = state.header;
  Object.assign(state, decoded);
  takeDial(state, before);
  buildGrid(state);
  paintRamp(root.querySelector('.ramp'), packedAll(header.lut));
  root.querySelector('.low').textContent = header.ends[0];
  root.querySelector('.high').textContent = header.ends[1];
  const badge = root.querySelector('.scales');
  badge.textContent = header.shared ? 'one scale for all' : 'scales differ';
  badge.title = header.shared ? 'Every map is drawn on the scale given here.' : 'Every map is drawn on its own scale: compare shapes, not strengths.';
  badge.classList.toggle('warn', !header.shared);
  const again = open && header.cells.find(cell => (cell.block || cell.track) && cell.method === open.cell.method && cell.image === open.cell.image);
  if (again && again.block?.id === open.cell.block?.id) enlarge(state, again);
  else if (open) { state.open = null; root.querySelector('.enlarged').close(); }  // it is told of its end later
  probe(state, at && at.image < header.images.length ? at : null);
  const section = root.querySelector('.compare');
  section.dataset.ready = header.id;
  section.dataset.cells = header.cells.filter(cell => cell.state === 'ready').length;
  section.dataset.complete = header.complete;
  state.fit();
}

function wireGrid(state) {
  const {root} = state, $ = selector => root.querySelector(selector);
  $('.opacity input').addEventListener('input', event => {
    state.under = event.target.value / 100;
    for (const view of [...state.views, ...(state.open?.views ?? [])]) if (view.cell) paintMap(view.frame.canvas, state, view.cell, state.under);
  });
  presentsFull($('.present'), $('.compare'), $('.slider'));
  state.fit = keepFitted($('.compare'), $('.grid'), (section, grid) =>
    grid.dataset.layout === 'cards' ? fitCards(section, grid, ['all', 'numbers', 'maps']) : fitTable(section, grid));
  wireDialog(state);
  wireLive(state);
}
