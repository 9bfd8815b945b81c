// Scrubs a sweep of attribution maps on the client; Python hears of a level only when the hand lets go.

const STATES = new WeakMap();
// Where the hand let go, by what was shown: a page that is drawn anew may put another component in this one's place.
const TOLD = globalThis.pruneattrTold ??= new Map();

export default function ({data, parentElement: root, setStateValue}) {
  let state = STATES.get(root);
  if (!state) { STATES.set(root, state = {root, axis: 'contributing', opacity: .75, limit: .15}); wire(state); explainWords(root); }
  state.send = setStateValue;
  const payload = openSweep(data);
  if (state.id === payload.header.id) return;
  state.id = payload.header.id;
  const there = () => { root.querySelector('.scrubber').inert = false; };  // a press before would be nobody's
  const early = globalThis.pruneattrEarly?.root === root ? null : globalThis.pruneattrEarly;   // see ui/early.py
  Promise.all([decodeSweep(payload), early?.free()]).finally(there).then(([decoded]) => {
    if (state.id !== decoded.header.id) return;      // a newer one has come meanwhile
    show(state, decoded);
    early?.leave(state);
  }, () => { root.querySelector('.sentence').textContent = 'This browser cannot unpack the maps; please update it.'; });
}

function show(state, decoded) {
  const {root} = state, {header} = decoded, before = state.header;
  const another = !before || before.of !== header.of, held = before && (state.held || state.halt || state.telling);
  // Of the same sweep the hand knows best; another one starts where Python says, unless the hand is at it.
  const stays = before && (held || (!another && before.start.token === header.start.token));
  const told = before ? null : TOLD.get(header.of), start = told?.token === header.start.token ? told : header.start;
  if (!stays) state.axis = start.dial;
  if (!stays) state.asked = start.share;
  if (!stays && state.axis === 'change') state.limit = start.share;
  const share = (held ? null : state.asked) ?? shareOf(before.levels[nearestHere(state)], state.axis);
  Object.assign(state, decoded);
  if (another) stop(state);
  const view = state.view, same = before && before.width === header.width && before.height === header.height;
  buildPanels(state, root.querySelector('.panels'));
  if (same && view) { state.view = view; applyView(state); }
  state.alpha = overlayAlpha(header, state.opacity);
  buildMarks(state, level => jump(state, level));
  buildStrip(state, level => jump(state, level));
  paintRamp(root.querySelector('.ramp'), state.lut);
  root.querySelector('.scale').textContent = header.shared_scale ? 'one scale for all levels' : 'each level has its own scale';
  root.querySelector('.note').textContent = header.note;
  const level = state.axis === 'change' ? levelForChange(header.levels, state.limit) : nearestLevel(header.levels, share, state.axis);
  const u = (state.held || state.halt) && !another ? state.u : header.levels[level].at;
  state.level = -1; state.u = -1;
  showAxis(state);
  layOut(state);
  cancelAnimationFrame(state.drawn); state.drawn = null;
  setPosition(state, u);
  describe(state);
  if (held && another && !state.held) tell(state);
  // What was said as its page was left reached nobody: Python still stands where it did.
  if (start === told && (told.dial !== header.start.dial || told.share !== header.start.share)) state.send('at', {...told, when: Date.now()});
  const section = root.querySelector('.scrubber');
  section.dataset.ready = header.id;
  section.dataset.complete = header.complete;
  root.querySelector('.refining').hidden = header.complete;
}

// A draw may be waiting for the next screen frame, so the position, not the level drawn last, says where we are.
const nearestHere = state => around(state.header.levels, state.u, state.header.quiet_at).nearest;

// How far down the view begins: the first screen ends where the window does, however many rows stand above it.
function keepPlace({root}) {
  const host = root.host ?? root, main = host.closest('[data-testid=stMain]'), top = host.getBoundingClientRect().top;
  const above = main ? top - main.getBoundingClientRect().top + main.scrollTop : top + scrollY;
  root.querySelector('.first').style.setProperty('--above', `${Math.round(above < innerHeight / 2 ? above + 9 : 16)}px`);
}

function layOut(state) {
  keepPlace(state);
  drawTrack(state); layMarks(state); drawCurve(state);
  if (state.level < 0) return;
  moveCursor(state, state.u, state.level);
  showLevel(state);
  describe(state);
}

function wire(state) {
  const {root} = state, slider = root.querySelector('.slider'), $ = selector => root.querySelector(selector);
  slider.addEventListener('input', () => { stop(state); fromSlider(state); });
  slider.addEventListener('change', () => { settle(state); });
  slider.addEventListener('pointerdown', () => { state.held = true; });
  for (const name of ['pointerup', 'pointercancel']) slider.addEventListener(name, () => { state.held = false; });
  slider.addEventListener('keydown', event => onKey(state, event));
  $('.opacity input').addEventListener('input', event => {
    state.opacity = event.target.value / 100;
    if (!state.header) return;
    state.alpha = overlayAlpha(state.header, state.opacity); redraw(state);
  });
  $('.play').onclick = () => state.halt ? (stop(state), settle(state)) : play(state);
  presentsFull($('.present'), $('.scrubber'), slider);
  defineWords($('.words'), GLOSSARY.filter(entry => EXPLAINED.includes(entry.word)));
  for (const button of root.querySelectorAll('[data-zoom]')) button.onclick = () =>
    state.header && zoomBy(state, {in: 1.5, out: 1 / 1.5, reset: 0}[button.dataset.zoom]);
  const radios = [...root.querySelectorAll('button[data-axis]')];
  for (const radio of radios) radio.onclick = () => setAxis(state, radio.dataset.axis);
  walkRadios(radios);
  $('.curve').addEventListener('pointerdown', event => {
    if (!state.place) return;
    const box = $('.curve').getBoundingClientRect();
    const {nearest} = around(state.header.levels, (event.clientX - box.left - PAD) / (box.width - 2 * PAD), state.header.quiet_at);
    jump(state, nearest);
  });
  state.onView = zoom => { $('[data-zoom=reset]').textContent = `${zoom.toFixed(zoom < 10 && zoom % 1 ? 1 : 0)}×`; };
  const page = (root.host ?? root).closest('[data-testid=stMainBlockContainer]');
  if (page) new ResizeObserver(() => keepPlace(state)).observe(page);
  new ResizeObserver(() => { if (state.header && state.width !== $('.board').clientWidth) { state.width = $('.board').clientWidth; layOut(state); } }).observe($('.board'));
}

function fromSlider(state) {
  if (!state.header) return;
  const value = +state.root.querySelector('.slider').value;
  if (state.axis !== 'change') return setPosition(state, value / 1000, false);
  state.limit = value / 100;
  const level = levelForChange(state.header.levels, state.limit);
  state.u = -1;
  setPosition(state, state.header.levels[level].at, false);
  showReading(state);  // also where the level stays that more change is allowed
}

function onKey(state, event) {
  if (!state.header || event.ctrlKey || event.metaKey || event.altKey || state.axis === 'change') return;
  const {levels, marks} = state.header, last = levels.length - 1, level = nearestHere(state), places = [...new Set(marks.filter(mark => mark.dials.includes(state.axis)).map(mark => mark.level))].sort((a, b) => a - b);
  const next = {ArrowRight: level + 1, ArrowUp: level + 1, ArrowLeft: level - 1, ArrowDown: level - 1, Home: 0, End: last,
    PageUp: places.find(place => place > level) ?? last, PageDown: places.findLast(place => place < level) ?? 0}[event.key];
  if (next === undefined) return;
  event.preventDefault();
  jump(state, Math.min(last, Math.max(0, next)));
}

function setAxis(state, axis) {
  if (!state.header) return;
  if (axis === 'change') stop(state);  // what plays moves through levels, of which this dial has one
  state.axis = axis;
  showAxis(state);
  layMarks(state);
  if (axis === 'change') fromSlider(state);
  else { state.u = -1; setPosition(state, state.header.levels[state.level].at); }
  showLevel(state);
  settle(state);
}

function showAxis(state) {
  const slider = state.root.querySelector('.slider'), change = state.axis === 'change';
  markRadios(state.root.querySelectorAll('button[data-axis]'), radio => radio.dataset.axis === state.axis);
  slider.max = change ? 100 : 1000;
  slider.setAttribute('aria-label', change ? 'Allowed output change' : 'Sparsity');
  state.root.querySelector('.scrubber').dataset.axis = state.axis;
  if (change) slider.value = Math.round(100 * state.limit);
}

// Draw at once; a second move within the same screen frame waits for the next one.
function setPosition(state, u, moveThumb = true) {
  if (u === state.u && moveThumb) return;
  state.u = u;
  const slider = state.root.querySelector('.slider');
  if (moveThumb && state.axis !== 'change') slider.value = Math.round(1000 * u);
  if (state.drawn) return;
  redraw(state);
  state.drawn = requestAnimationFrame(() => { state.drawn = null; if (state.shown !== state.u) redraw(state); });
}

function redraw(state) {
  const place = around(state.header.levels, state.u, state.header.quiet_at), {root} = state;
  state.shown = state.u;
  drawPanels(state, place);
  moveCursor(state, state.u, place.nearest);
  const between = place.share > .02 && place.share < .98;
  root.querySelector('.interpolated').hidden = !between;
  if (place.nearest !== state.level) { state.level = place.nearest; showLevel(state); }
}

function showLevel(state) {
  const {root, header, level} = state, now = header.levels[level], words = sentence(header, level, state.axis);
  root.querySelector('.sentence').replaceChildren(...words.map(([text, role]) => element(role ? 'strong' : 'span', role, text)));
  const seek = lookFor(header, level), plain = seek === lookFor(header, 0);
  root.querySelector('.look-for').textContent = seek;
  const text = words.map(([part]) => part).join('') + (plain ? '' : ` ${seek}`);
  const slider = root.querySelector('.slider');
  slider.setAttribute('aria-valuetext', text);
  showReading(state);
  root.querySelector('[data-key=change]').textContent = `Output change ${changed(now.change)}`;
  root.querySelector('[data-key=chance]').textContent = `${likelihood(header)} ${likely(header, now)}`;
  const [low, high] = header.signed ? [signedNumber(-now.scale), signedNumber(now.scale)] : ['0', amount(now.scale)];
  root.querySelector('.low').textContent = low; root.querySelector('.high').textContent = high;
  root.querySelector('.unit').textContent = header.unit;
  for (const button of root.querySelectorAll('.strip button, .marks button')) button.setAttribute('aria-current', String(+button.dataset.level === level));
  root.querySelector('.scrubber').dataset.level = level;
  root.querySelector('.scrubber').classList.toggle('is-broken', now.answer !== header.levels[0].answer);
  showPixel(state);
}

function showReading({root, header, level, axis, limit}) {
  const now = header.levels[level];
  root.querySelector('.reading').textContent = axis === 'change'
    ? `Change above ${percent(limit)} → ${percent(now.contributing)} of the contributing removed`
    : `${percent(now.sparsity)} of all removed · ${(header.neurons * (1 - now.sparsity)).toLocaleString('en', {maximumFractionDigits: 0})} of ${header.neurons.toLocaleString('en')} ${header.things ?? 'neurons'} left`;
}

function jump(state, level) {
  stop(state);
  if (state.axis === 'change') setAxis(state, 'contributing');
  setPosition(state, state.header.levels[level].at);
  settle(state);
}

// What stays on screen is a real level, never a blend.
function settle(state) {
  if (!state.header) return;
  state.u = state.header.levels[nearestHere(state)].at;
  if (state.axis !== 'change') state.root.querySelector('.slider').value = Math.round(1000 * state.u);
  if (state.shown !== state.u) redraw(state);
  describe(state);
  tell(state);
}

function describe(state) {
  const text = state.header.levels[state.level].words;
  for (const panel of [...state.panels.maps, state.panels.overlay]) panel?.canvas.setAttribute('aria-label',
    `${panel.title} at ${percent(state.header.levels[state.level].sparsity)} removed. ${text}`);
  state.root.querySelector('.curve').setAttribute('aria-label', `Output change and target ${state.header.valued ? 'value' : 'probability'} against sparsity. `
    + state.root.querySelector('.slider').getAttribute('aria-valuetext'));
}

// The share asked for, or the change allowed, outlives the level drawn for it: a coarse sweep has none close by.
function tell(state) {
  clearTimeout(state.telling);
  state.asked = null;
  state.telling = setTimeout(() => {
    state.telling = null;
    const share = state.asked = state.axis === 'change' ? state.limit : shareOf(state.header.levels[state.level], state.axis);
    const said = {of: state.header.of, token: state.header.start.token, dial: state.axis, share, when: Date.now()};
    TOLD.set(said.of, said);
    state.send('at', said);
  }, 120);
}

function play(state) {
  const {levels, quiet} = state.header, first = Math.max(0, levels.findIndex(level => level.sparsity >= quiet - 1e-9));
  if (state.axis === 'change') setAxis(state, 'contributing');
  showPlaying(state.root.querySelector('.play'), true);
  state.halt = playThrough({
    root: state.root, at: state.level >= levels.length - 1 ? levels[first].at : state.u, end: () => 1,
    points: levels.map(level => level.at), seconds: 9,
    move: u => setPosition(state, u), done: () => { stop(state); settle(state); },
  });
}

function stop(state) {
  state.halt?.();
  state.halt = null;
  showPlaying(state.root.querySelector('.play'), false, 'Play local to global');
}
