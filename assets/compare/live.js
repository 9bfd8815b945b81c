// The slider over the grid: maps of pruned networks follow the hand here; Python hears of it when it lets go.

const UNITS = 100;   // of the slider, from one stop to the next

function wireLive(state) {
  const slider = state.root.querySelector('.slider');
  state.root.querySelector('.live').hidden = true;
  slider.addEventListener('input', () => { state.share = shareAt(state, +slider.value); follow(state); });
  slider.addEventListener('change', () => letGo(state));
  slider.addEventListener('pointerdown', () => { state.held = true; });
  for (const name of ['pointerup', 'pointercancel']) slider.addEventListener(name, () => { state.held = false; });
  slider.addEventListener('keydown', event => {
    const step = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1}[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const place = +slider.value / UNITS, next = step > 0 ? Math.floor(place + 1) : Math.ceil(place - 1);
    slider.value = UNITS * next;
    state.share = shareAt(state, +slider.value);
    follow(state);
    letGo(state);
  });
  const radios = [...state.root.querySelectorAll('[role=radio][data-dial]')];
  for (const radio of radios) radio.onclick = () => {
    if (state.dial === radio.dataset.dial) return;
    const before = state.header.cells.find(cell => cell.track);
    state.share = before ? sameOn(radio.dataset.dial, state, before.track) : state.share;
    state.dial = radio.dataset.dial;
    showDial(state);
    follow(state);
    letGo(state);
  };
  walkRadios(radios);
}

// Another grid starts where Python says, unless the hand is at it; of the same one the hand knows best.
function takeDial(state, before) {
  const {header} = state, {start} = header, stays = before && (state.held || state.telling || (before.of === header.of && before.start.token === start.token));
  if (!stays && header.rest) Object.assign(state, {dial: start.dial, share: start.share});
  state.root.querySelector('.live').hidden = !header.rest;
  if (header.rest) showDial(state);
}

function showDial(state) {
  const slider = state.root.querySelector('.slider');
  markRadios(state.root.querySelectorAll('[role=radio][data-dial]'), radio => radio.dataset.dial === state.dial);
  slider.max = UNITS * (state.header.stops[state.dial].length - 1);
  slider.setAttribute('aria-label', state.dial === 'change' ? 'Allowed output change' : 'Sparsity of the maps that follow');
  slider.value = unitsOf(state, state.share);
  tellPlace(state);
}

function shareAt(state, units) {
  const stops = state.header.stops[state.dial], k = Math.min(stops.length - 2, Math.floor(units / UNITS)), part = units / UNITS - k;
  return Math.round(1000 * (stops[k] + part * (stops[k + 1] - stops[k]))) / 1000;
}

function unitsOf(state, share) {
  const stops = state.header.stops[state.dial], found = stops.findLastIndex(stop => stop <= share + 1e-9), k = Math.min(stops.length - 2, Math.max(0, found));
  return Math.round(UNITS * (k + Math.min(1, (share - stops[k]) / (stops[k + 1] - stops[k]))));
}

// The same path on another scale, as nearly as three digits say it.
function sameOn(dial, state, track) {
  const {low, high, part} = placeIn(track, state.dial, state.share), {levels, quiet} = track;
  const share = levels[low].share + part * (levels[high].share - levels[low].share);
  const value = dial === 'contributing' ? share : dial === 'all' ? (share ? quiet + share * (1 - quiet) : 0) : Math.min(1, levels[Math.max(0, low - (part > 0 ? 0 : 1))].change);
  return dial === 'contributing' && share > 0 && share < .0005 ? levels[1].share : Math.round(1000 * value) / 1000;
}

// Levels around a place of the dial, the share of the second, the nearest.
function placeIn({levels, quiet}, dial, place) {
  if (dial === 'change') {
    const found = levels.findIndex(level => level.change > place), low = found < 0 ? levels.length - 1 : found;
    return {low, high: low, part: 0, nearest: low};
  }
  // Silent neurons all go at once, with the first that goes.
  const share = dial === 'all' && place > 0 ? Math.max(levels[1].share, (place - quiet) / Math.max(1e-9, 1 - quiet)) : place;
  const low = Math.max(0, levels.findLastIndex(level => level.share <= share + 1e-9)), high = Math.min(levels.length - 1, low + 1);
  const gap = levels[high].share - levels[low].share, part = gap > 0 ? Math.min(1, Math.max(0, (share - levels[low].share) / gap)) : 0;
  return {low, high, part, nearest: part < .5 ? low : high};
}

// Whether the cell's own map is the one to show: nothing moves it, or the dial rests where it was computed.
function atRest({header: {rest}, dial, share}, cell) {
  return cell.block && (!cell.track || !rest || (rest.dial === dial && Math.abs(rest.share - share) < 1e-9));
}

// Codes of one level of a track.
const codesOf = (state, track, level) => {
  const all = state.tracks.get(track.block.id), size = state.header.width * state.header.height;
  return all.subarray(level * size, (level + 1) * size);
};

// What is on screen of a cell, pixel by pixel, as places of the colour table; blended between two levels.
function shadesOf(state, cell, out) {
  if (atRest(state, cell)) {
    const codes = state.arrays.get(cell.block.id), {table} = cell;
    for (let p = 0; p < out.length; p++) out[p] = table[codes[p]];
    return out;
  }
  const {low, high, part} = placeIn(cell.track, state.dial, state.share), share = Math.round(256 * part);
  const a = codesOf(state, cell.track, low), b = codesOf(state, cell.track, high), from = cell.track.levels[low].table, to = cell.track.levels[high].table;
  if (!share) for (let p = 0; p < out.length; p++) out[p] = from[a[p]];
  else for (let p = 0; p < out.length; p++) { const x = from[a[p]]; out[p] = x + (((to[b[p]] - x) * share) >> 8); }
  return out;
}

// The value under a pixel and the largest magnitude: of the map at rest, else of the nearest level.
function shownOf(state, cell) {
  if (atRest(state, cell)) return {codes: state.arrays.get(cell.block.id), peak: cell.peak};
  const {nearest} = placeIn(cell.track, state.dial, state.share);
  return {codes: codesOf(state, cell.track, nearest), peak: cell.track.levels[nearest].peak};
}

const isPlain = (state, cell) => atRest(state, cell) ? cell.plain : cell.track.levels[placeIn(cell.track, state.dial, state.share).nearest].plain;

// Draw at once; a second move within the same screen frame waits for the next one.
function follow(state) {
  tellPlace(state);
  if (state.drawing) { state.late = true; return; }
  drawLive(state);
  state.drawing = requestAnimationFrame(() => { state.drawing = null; if (state.late) { state.late = false; drawLive(state); } });
}

function drawLive(state) {
  for (const view of [...state.views, ...(state.open?.views ?? [])]) if (view.cell?.track) {
    paintMap(view.frame.canvas, state, view.cell, state.under);
    showRemark(state, view);
  }
  if (state.at) probe(state, state.at);
}

// What is said over a map on which there is nothing to see, or nothing new.
function remarkOf(state, cell) {
  if (shownOf(state, cell).peak === 0) return 'The map is zero: nothing that is left connects the picture to this answer';
  return isPlain(state, cell) ? 'Still the plain gradient: what is gone so far changes nothing in it' : '';
}

function showRemark(state, view) {
  if (!view.remark) return;
  const text = remarkOf(state, view.cell);
  if (view.remark.textContent !== text) view.remark.textContent = text;
  view.remark.hidden = !text;
}

function tellPlace(state) {
  const {share, dial, header} = state, place = percentTenths(share);
  const text = dial === 'change' ? `Neurons go until the response has changed by more than ${place}`
    : `${place} of ${dial === 'all' ? 'all neurons' : 'the contributing neurons'} removed`;
  const rest = header.rest && header.rest.dial === dial && Math.abs(header.rest.share - share) < 1e-9;
  state.root.querySelector('.reading').textContent = rest ? text : `${text} · ${state.alone ? 'the numbers stay those of the first place' : 'numbers follow when you let go'}`;
  state.root.querySelector('.slider').setAttribute('aria-valuetext', text);
  state.root.querySelector('.compare').dataset.share = share;
}

function letGo(state) {
  clearTimeout(state.telling);
  state.telling = setTimeout(() => {
    state.telling = null;
    state.send('at', {of: state.header.of, token: state.header.start.token, dial: state.dial, share: state.share, when: Date.now()});
  }, 150);
}
