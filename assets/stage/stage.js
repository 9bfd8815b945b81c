// Pictures, curves and one slider that move together in the browser; Python hears where the hand let go.

const STAGES = new WeakMap();

export default function ({data, parentElement: root, setStateValue}) {
  let state = STAGES.get(root);
  if (!state) { STAGES.set(root, state = {root, known: new Map(), whole: true, asOrder: false}); wire(state); explainWords(root); }
  state.send = setStateValue;
  const {header, blocks} = openFrame(data);
  if (state.id === header.id) return;
  state.id = header.id;
  const there = () => { root.querySelector('.stage').inert = false; };  // a press before would be nobody's
  inflateBlocks([header.photo, ...header.cards.flatMap(card => card.blocks)], blocks, state.known).finally(there).then(arrays => {
    if (state.id === header.id) show(state, header, arrays);       // else a newer one has come meanwhile
  }, () => { root.querySelector('.sentence').textContent = 'This browser cannot unpack the pictures; please update it.'; });
}

function show(state, header, arrays) {
  const {root} = state, $ = selector => root.querySelector(selector), asked = header.start;
  const held = state.header && (state.held || state.halt || state.telling), moved = state.token !== asked.token;
  const wanted = moved && !held ? asked : {at: state.at, measure: state.measure.key, range: state.range};
  stop(state);
  state.header = header; state.arrays = arrays; state.token = asked.token;
  $('.stage').setAttribute('aria-label', header.title);
  $('.slider').setAttribute('aria-label', header.slider);
  $('.note').textContent = header.note;
  $('.order').hidden = !header.lut;
  buildCards(state);
  PAINTER.prepare(state);
  radios(state, '.measures', header.measures, key => setMeasure(state, key));
  radios(state, '.ranges', header.ranges, key => setRange(state, key));
  state.range = (header.ranges.find(range => range.key === wanted.range) ?? header.ranges.at(-1)).key;
  state.measure = header.measures.find(measure => measure.key === wanted.measure) ?? header.measures[0];
  setRange(state, state.range, wanted.at);
  describe(state);
  state.fit();
  if (!state.held && moved && held) tell(state);
  $('.stage').dataset.ready = header.id;
  $('.stage').dataset.complete = header.complete;
}

function radios(state, where, options, choose) {
  const host = state.root.querySelector(where);
  host.hidden = options.length < 2;
  host.replaceChildren(...options.map(option => {
    const button = element('button', '', option.title);
    Object.assign(button, {type: 'button', title: option.help ?? '', onclick: () => { choose(option.key); tell(state); }});
    button.setAttribute('role', 'radio');
    button.dataset.key = option.key;
    return button;
  }));
  walkRadios([...host.children]);
}

const mark = (state, where, key) => markRadios(state.root.querySelectorAll(`${where} button`), button => button.dataset.key === key);

function setMeasure(state, key) {
  state.measure = state.header.measures.find(measure => measure.key === key);
  mark(state, '.measures', key);
  layOut(state);
}

function setRange(state, key, at = state.at) {
  const {header, root} = state, slider = root.querySelector('.slider');
  state.range = key;
  state.end = header.ranges.find(range => range.key === key).end;
  slider.max = header.names ? state.end : 1000;
  mark(state, '.ranges', key);
  mark(state, '.measures', state.measure.key);
  state.at = Math.min(state.end, at);
  layOut(state);
}

function layOut(state) {
  if (!state.header) return;
  drawChart(state);
  redraw(state);
}

// The first of several moves within one screen frame is drawn at once, the last one with the frame.
function setPosition(state, at) {
  state.at = Math.min(state.end, Math.max(0, state.header.names ? Math.round(at) : at));
  if (state.frame) return;
  redraw(state);
  state.frame = requestAnimationFrame(() => { state.frame = null; if (state.shown !== state.at) redraw(state); });
}

function redraw(state) {
  const {root, header, at, end} = state, slider = root.querySelector('.slider');
  state.shown = at;
  paintCards(state);
  moveCursor(state);
  writeCards(state);
  slider.value = header.names ? at : Math.round(1000 * at / end);
  const words = PAINTER.sentence(state);
  root.querySelector('.sentence').textContent = words;
  slider.setAttribute('aria-valuetext', words);
  root.querySelector('.stage').dataset.at = +at.toFixed(4);
}

function settle(state) {
  if (!state.header) return;
  describe(state);
  tell(state);
}

function describe({root, header, measure}) {
  root.querySelector('.chart').setAttribute('aria-label', `${measure.axis}. ${header.cards.filter(card => card.values).map(card => `${card.title}: ${card.value.textContent}`).join('; ')}`);
}

// Also while maps are still to come: they are computed beside the page, and a reload must find the place.
function tell(state) {
  clearTimeout(state.telling);
  state.telling = setTimeout(() => {
    state.telling = null;
    state.send('view', {of: state.header.of, token: state.header.start.token, at: +state.at.toFixed(4), measure: state.measure.key, range: state.range, when: Date.now()});
  }, 150);
}

function wire(state) {
  const {root} = state, $ = selector => root.querySelector(selector), slider = $('.slider');
  slider.addEventListener('input', () => {
    if (!state.header) return;
    stop(state);
    setPosition(state, state.header.names ? +slider.value : slider.value / 1000 * state.end);
  });
  slider.addEventListener('change', () => settle(state));
  slider.addEventListener('pointerdown', () => { state.held = true; });
  for (const name of ['pointerup', 'pointercancel']) slider.addEventListener(name, () => { state.held = false; });
  slider.addEventListener('keydown', event => onKey(state, event));
  $('.play').onclick = () => state.halt ? (stop(state), settle(state)) : play(state);
  presentsFull($('.present'), $('.stage'), slider);
  state.fit = keepFitted($('.stage'), $('.cards'), (section, cards) => fitCards(section, cards, ['']));
  $('.whole').checked = true;
  $('.whole').onchange = event => { state.whole = event.target.checked; layOut(state); };
  $('.as-order').onchange = event => { state.asOrder = event.target.checked; layOut(state); };
  const chart = $('.chart'), follow = event => {
    const box = chart.getBoundingClientRect(), grown = box.width / chart.clientWidth;  // full screen enlarges
    stop(state);
    setPosition(state, ((event.clientX - box.left) / grown - LEFT) / (chart.clientWidth - LEFT - RIGHT) * state.end);
  };
  chart.addEventListener('pointerdown', event => { if (state.header) { chart.setPointerCapture(event.pointerId); follow(event); } });
  chart.addEventListener('pointermove', event => { if (state.header && chart.hasPointerCapture(event.pointerId)) follow(event); });
  chart.addEventListener('pointerup', () => settle(state));
  new ResizeObserver(() => {
    const room = `${chart.clientWidth} ${chart.clientHeight}`;
    if (state.room !== room) { state.room = room; layOut(state); }
  }).observe(chart);
}

// Arrows go from computed point to computed point.
function onKey(state, event) {
  if (!state.header || event.ctrlKey || event.metaKey || event.altKey) return;
  const points = state.header.points.filter(point => point <= state.end + 1e-9), {at} = state;
  const after = points.find(point => point > at + 1e-9) ?? state.end, before = points.findLast(point => point < at - 1e-9) ?? 0, leap = state.end / 4;
  const next = {ArrowRight: after, ArrowUp: after, ArrowLeft: before, ArrowDown: before, Home: 0, End: state.end, PageUp: at + leap, PageDown: at - leap}[event.key];
  if (next === undefined) return;
  event.preventDefault();
  stop(state);
  setPosition(state, next);
  settle(state);
}

function play(state) {
  if (!state.header) return;
  const at = state.at >= state.end - 1e-9 ? 0 : state.at;
  showPlaying(state.root.querySelector('.play'), true);
  setPosition(state, at);
  state.halt = playThrough({
    root: state.root, at, end: () => state.end,
    points: state.header.points.filter(point => point <= state.end + 1e-9), seconds: 8,
    stepwise: Boolean(state.header.names) || calm(),
    move: next => setPosition(state, next), done: () => { stop(state); settle(state); },
  });
}

function stop(state) {
  state.halt?.();
  state.halt = null;
  showPlaying(state.root.querySelector('.play'), false);
}
