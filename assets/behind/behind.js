// The pictures behind a point of the chart above: they follow the pointer, a click keeps them and tells Python.

const BEHIND = new WeakMap();

export default function ({data, parentElement: root, setStateValue}) {
  let state = BEHIND.get(root);
  if (!state) { BEHIND.set(root, state = {root, known: new Map(), urls: new Map()}); wire(state); explainWords(root); }
  state.send = setStateValue;
  const {header, blocks} = openFrame(data);
  if (state.id !== header.id) {
    state.id = header.id;
    const wanted = header.runs.flatMap(run => Object.values(run.pictures).filter(picture => picture.block).map(picture => picture.block));
    inflateBlocks(wanted, blocks, state.known).then(arrays => {
      if (state.id !== header.id) return;
      for (const url of state.urls.values()) URL.revokeObjectURL(url);
      state.urls = new Map([...arrays].map(([id, bytes]) => [id, URL.createObjectURL(new Blob([bytes], {type: 'image/jpeg'}))]));
      open(state, header);
    });
  }
  // Plotly puts its events on the chart's element, which React may replace: look each time the pointer enters one.
  state.enter ??= event => attach(state, event.target.closest?.('.js-plotly-plot'));
  document.addEventListener('pointerover', state.enter, {passive: true});
  const mine = state.entered = {};   // as in review.js
  return () => { if (state.entered === mine) document.removeEventListener('pointerover', state.enter); };
}

function attach(state, chart) {
  if (!chart?.on || !state.header || !chart.closest(`[class*="st-key-${state.header.chart}"]`)) return;
  if (state.charts?.has(chart)) return;
  (state.charts ??= new WeakSet()).add(chart);
  const place = event => event.points.map(point => point.customdata).find(data => data && data.length >= 3);
  chart.on('plotly_hover', event => { const data = place(event); if (data) choose(state, data); });
  chart.on('plotly_click', event => { const data = place(event); if (data && choose(state, data)) keep(state); });
}

function open(state, header) {
  const {root} = state, select = root.querySelector('select');
  state.header = header;
  state.curves = header.runs.flatMap((run, r) => run.labels.map((label, l) => ({r, l, text: header.runs.length > 1 ? `${label} · ${run.title}` : label})));
  select.replaceChildren(...state.curves.map(({text}, i) => Object.assign(element('option', '', text), {value: i})));
  root.querySelector('.note').textContent = header.note;
  root.querySelector('.behind').dataset.ready = header.id;
  const stays = state.at && header.runs[state.at.r]?.title === state.title && header.runs[state.at.r].labels[state.at.l] === state.label && state.at.k < header.runs[state.at.r].x.length;
  draw(state, stays ? state.at : {r: 0, l: 0, k: header.runs[0].x.length - 1});
}

// [title, label, place] of a chart's point; whether this strip knows it.
function choose(state, [title, label, k]) {
  const r = state.header.runs.findIndex(run => run.title === title), l = r < 0 ? -1 : state.header.runs[r].labels.indexOf(label);
  if (l < 0) return false;
  draw(state, {r, l, k: +k});
  return true;
}

function draw(state, at) {
  const {header, root} = state, run = header.runs[at.r], point = run.points[at.l][at.k];
  Object.assign(state, {at, title: run.title, label: run.labels[at.l]});
  root.querySelector('select').value = state.curves.findIndex(({r, l}) => r === at.r && l === at.l);
  const where = run.x.length > 1 ? `, ${run.x[at.k]}` : '';
  root.querySelector('.which').textContent = `${state.label}${header.runs.length > 1 ? ` · ${run.title}` : ''}${where}: `
    + (point.mean === null ? 'undefined for every picture' : `${rounded(point.mean, 3)}${point.error === null ? '' : ` ± ${point.error.toFixed(3)}`}, n = ${point.n}`);
  root.querySelector('.behind').dataset.at = `${state.label}|${at.k}`;
  root.querySelector('.ends').replaceChildren(...[['lowest', point.low], ['highest', point.high]].filter(([, list]) => list.length).map(([name, list]) => {
    const end = element('div', 'end'), title = element('h3', '', point.high.length ? name : 'all, lowest first'), row = element('div', 'row');
    row.append(...list.map(([number, value]) => tile(state, run.pictures[number], value)));
    end.append(title, row);
    return end;
  }));
}

function tile(state, picture, value) {
  const figure = element('figure'), caption = element('figcaption'), name = cutText('span', '', picture.name);
  const shown = picture.block ? Object.assign(element('img'), {src: state.urls.get(picture.block.id), alt: picture.name})
    : element('div', 'none', picture.name);
  name.title = picture.name;
  caption.append(rounded(value, 3), ...(picture.block ? [name] : []));
  figure.append(shown, caption);
  return figure;
}

function keep(state) {
  clearTimeout(state.telling);
  state.telling = setTimeout(() => state.send('point', [state.title, state.label, state.at.k]), 150);
}

function wire(state) {
  const {root} = state;
  root.querySelector('select').onchange = event => {
    const {r, l} = state.curves[+event.target.value];
    draw(state, {r, l, k: Math.min(state.at.k, state.header.runs[r].x.length - 1)}); keep(state);
  };
  for (const button of root.querySelectorAll('[data-go]')) button.onclick = () => {
    if (!state.header) return;
    const count = state.header.runs[state.at.r].x.length;
    draw(state, {...state.at, k: (state.at.k + +button.dataset.go + count) % count}); keep(state);
  };
}
