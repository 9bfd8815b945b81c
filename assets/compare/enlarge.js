// One map large beside its picture; left and right arrows walk through the grid.

function enlarge(state, cell) {
  const {root, header} = state, dialog = root.querySelector('.enlarged'), method = header.methods[cell.method];
  const photo = makeFrame(state, {image: cell.image, words: header.images[cell.image].title}, 'div');
  const map = makeFrame(state, {image: cell.image, words: wordsOf(method, cell)}, 'div');
  state.open = {cell, views: [{frame: photo, image: cell.image}, {frame: map, image: cell.image, cell}]};
  paintPhoto(photo.canvas, header, state.arrays.get(header.images[cell.image].block.id));
  paintMap(map.canvas, state, cell, state.under);
  dialog.querySelector('h3').textContent = [method.title, method.settings].filter(Boolean).join(', ');
  dialog.querySelector('.place').textContent = header.images.length > 1 ? header.images[cell.image].title : '';
  dialog.querySelector('.pair').replaceChildren(photo.box, map.box);
  drawNumbers(dialog.querySelector('.numbers'), cell.numbers);
  const host = dialog.querySelector('.curve-host');
  host.replaceChildren();
  if (cell.curve) drawCurve(host, header.curve, cell.curve);
  dialog.querySelector('.facts > .about').replaceChildren(...noteOf(method).childNodes);
  dialog.dataset.method = method.name;
  probe(state, null);
  if (!dialog.open) dialog.showModal();
}

function go(state, step) {
  const ready = state.views.filter(view => view.cell).map(view => view.cell);
  const at = ready.findIndex(cell => cell.method === state.open.cell.method && cell.image === state.open.cell.image);
  if (ready.length) enlarge(state, ready[(at + step + ready.length) % ready.length]);
}

function wireDialog(state) {
  const dialog = state.root.querySelector('.enlarged');
  dialog.onclose = () => { state.open = null; probe(state, null); };
  dialog.onclick = event => { if (event.target === dialog) dialog.close(); };
  dialog.onkeydown = event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (step) { event.preventDefault(); go(state, step); }
  };
  for (const button of dialog.querySelectorAll('[data-go]'))
    button.onclick = () => button.dataset.go === 'close' ? dialog.close() : go(state, +button.dataset.go);
}
