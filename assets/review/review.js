// Teacher and students side by side: scrubbing, swiping, flickering and judging never wait for the server.

const DESKS = new WeakMap();

export default function ({data, parentElement: root, setStateValue}) {
  let state = DESKS.get(root);
  if (!state) {
    state = {root, ...lookKept(), flip: false, given: new Map(), done: [], turn: 0, at: 0, views: []};
    DESKS.set(root, state);
    wireDesk(state);
    explainWords(root);
  }
  state.send = setStateValue;
  const leave = state.enter();
  const payload = openSweep(data);
  if (state.id === payload.header.id) return leave;
  state.id = payload.header.id;
  const there = () => { root.querySelector('.review').inert = false; };  // a press before would be nobody's
  decodeSweep(payload).finally(there).then(decoded => {
    if (state.id === decoded.header.id) showDesk(state, decoded);      // else a newer one has come meanwhile
  }, () => { announce(state, 'This browser cannot unpack the maps; please update it.'); });
  return leave;
}

// How two maps are compared is the reader's habit: this browser keeps it, where it keeps anything.
const LOOK = 'pruneattr-desk', USUAL = {mode: 'side', wipe: .5, under: .35};

function lookKept() {
  try {
    const {mode, wipe, under} = JSON.parse(localStorage.getItem(LOOK)), share = (value, most) => value >= 0 && value <= most;
    return ['side', 'swipe', 'flicker'].includes(mode) && share(wipe, 1) && share(under, .9) ? {mode, wipe, under} : USUAL;
  } catch { return USUAL; }
}

function keepLook({mode, wipe, under}) {
  try { localStorage.setItem(LOOK, JSON.stringify({mode, wipe, under})); } catch { /* it stays for as long as the page does */ }
}

// The row that has the focus, whichever desk it stands on; this tab keeps it over a reload.
const HELD = heldBefore();

function heldBefore() {
  try { return JSON.parse(sessionStorage.getItem(LOOK)) ?? {}; } catch { return {}; }
}

function hold(review, key) {
  Object.assign(HELD, {review, key});
  try { sessionStorage.setItem(LOOK, JSON.stringify(HELD)); } catch { /* it stays for as long as the page does */ }
}

function showDesk(state, decoded) {
  const {root} = state, {header} = decoded, before = state.header, turned = before && before.page !== header.page, resumed = (!before || before.review !== header.review) && header.rows.some(one => one.verdict);
  const inside = root.activeElement ?? root.getRootNode().activeElement;
  // Streamlit may put another desk in the place of the one that had the focus: before it is gone, or after, when nothing has it.
  const has = document.activeElement, leaving = has?.shadowRoot?.activeElement ?? has;
  const lost = (has === document.body || leaving?.closest('.row')) && HELD.review === header.review ? HELD.key : undefined;
  const row = inside?.closest?.('.row')?.dataset.key ?? lost;
  const typing = inside?.matches?.('.note') ? [inside.selectionStart, inside.selectionEnd] : null;
  Object.assign(state, decoded);
  if (header.made_up) history.madeUp = header.review;  // see address/address.js
  if (before && before.review !== header.review) { state.given.clear(); state.done = []; root.querySelector('.undo').disabled = true; root.querySelector('.rows').replaceChildren(); }
  if (!before) sayAgain(state);
  for (const one of header.rows) if (isLater(state, one)) state.given.delete(one.key);
  if (!before || before.start !== header.start) state.level = header.start_level;
  state.level = Math.min(state.level, header.levels.length - 1);
  buildRows(state);
  paintRamp(root.querySelector('.ramp'), state.lut);
  const slider = root.querySelector('.slider');
  root.querySelector('.levels').hidden = header.levels.length < 2;
  slider.max = header.levels.length - 1;
  slider.value = state.level;
  root.querySelector('.low').textContent = header.signed ? '−max' : '0';
  root.querySelector('.legend').title = header.scale_note;
  root.querySelector('.panel').replaceChildren(...legendOf(header));
  showMode(state);
  drawAll(state);
  const again = row && [...root.querySelectorAll('.row')].find(node => node.dataset.key === row);
  beNow(state, Math.max(0, Math.min(state.at, header.rows.length - 1)));
  coveredTop(state);
  const wanted = header.rows.findIndex(one => one.key === state.wanted);
  if (wanted >= 0) { state.wanted = null; goTo(state, wanted); }
  else if (again && typing) { const note = again.querySelector('.note'); note.focus({preventScroll: true}); note.setSelectionRange(...typing); }
  else if (again && !state.turned) again.focus({preventScroll: true});
  else if (row || state.turned || resumed) goTo(state, Math.max(0, firstOpen(state)));
  else if (turned) beNow(state, 0);
  state.turned = 0;
  const section = root.querySelector('.review');
  section.dataset.ready = header.id;
  section.dataset.page = header.page;
  section.dataset.empty = !header.rows.length;
  section.dataset.complete = header.complete;
}

function wireDesk(state) {
  const {root} = state, $ = selector => root.querySelector(selector), slider = $('.slider');
  const radios = [...root.querySelectorAll('[role=radio][data-mode]')];
  for (const radio of radios) radio.onclick = () => setMode(state, radio.dataset.mode);
  walkRadios(radios);
  $('.wipe input').value = 100 * state.wipe;
  $('.under input').value = 100 * state.under;
  $('.wipe input').oninput = event => { state.wipe = event.target.value / 100; keepLook(state); later(state); };
  $('.under input').oninput = event => { state.under = event.target.value / 100; keepLook(state); later(state); };
  $('.flip').onclick = () => { stopFlicker(state); setFlip(state, !state.flip); };
  $('.play').onclick = () => state.timer ? stopFlicker(state) : startFlicker(state);
  presentsFull($('.present'), $('.review'));
  slider.oninput = () => { state.level = +slider.value; later(state); };
  slider.onchange = () => settle(state, Math.round(+slider.value));
  slider.onkeydown = event => {
    const last = state.header.levels.length - 1, now = Math.round(state.level);
    const next = {ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, Home: 0, End: last, PageUp: now + 3, PageDown: now - 3}[event.key];
    event.stopPropagation();
    if (next === undefined) return;
    event.preventDefault();
    settle(state, Math.min(last, Math.max(0, next)));
  };
  $('.review').addEventListener('keydown', event => onDeskKey(state, event));
  $('.rows').addEventListener('focusin', event => {
    hold(state.header?.review, event.target.closest('.row')?.dataset.key);
  });
  $('.rows').addEventListener('focusout', ({target}) => setTimeout(() => {
    if (target.isConnected && !target.closest('.rows').contains(root.activeElement ?? root.getRootNode().activeElement)) hold(null, null);
  }));
  $('.undo').onclick = () => undo(state);
  $('.open').onclick = () => toOpen(state);
  $('.before').onclick = () => step(state, -1);
  $('.after').onclick = () => step(state, 1);
  wireThumb(state);
  const around = (root.host ?? root).closest('[data-testid=stMainBlockContainer]');
  if (around) new ResizeObserver(() => holdInSight(state, around)).observe(around);
  const follow = () => followScroll(state, around), link = skipLink(state);
  // What was typed a moment before a reload has not been told yet.
  const last = () => { for (const note of root.querySelectorAll('.note')) note.onchange(); };
  state.enter = () => {
    document.addEventListener('scroll', follow, {capture: true, passive: true});
    addEventListener('beforeunload', last);
    document.body.prepend(link);
    // What a call has returned Streamlit calls after the next one, where that came while the first was on its way.
    const mine = state.entered = {};
    return () => {
      if (state.entered !== mine) return;
      document.removeEventListener('scroll', follow, {capture: true});
      removeEventListener('beforeunload', last);
      link.remove();
    };
  };
}

// What stays on screen is a real level, never a blend.
function settle(state, level) {
  state.level = level;
  state.root.querySelector('.slider').value = level;
  drawAll(state);
  clearTimeout(state.telling);
  state.telling = setTimeout(() => state.send('level', level), 150);
}

function later(state) {
  state.queued ??= requestAnimationFrame(() => { state.queued = null; drawAll(state); });
}

function setMode(state, mode) {
  state.mode = mode;
  keepLook(state);
  stopFlicker(state);
  state.flip = false;
  showMode(state);
  if (mode === 'flicker' && !calm()) startFlicker(state);
  drawAll(state);
}

function showMode(state) {
  const {root, mode} = state;
  markRadios(root.querySelectorAll('[role=radio][data-mode]'), radio => radio.dataset.mode === mode);
  root.querySelector('.wipe').hidden = mode !== 'swipe';
  root.querySelector('.flips').hidden = mode !== 'flicker';
  root.querySelector('.review').dataset.mode = mode;
}

function setFlip(state, flip) {
  state.flip = flip;
  const button = state.root.querySelector('.flip');
  button.setAttribute('aria-pressed', String(flip));
  button.textContent = flip ? 'Show students' : 'Show teacher';
  drawAll(state);
}

// Slower than two changes a second, far from what can harm; only by hand where motion is unwanted.
function startFlicker(state) {
  showPlaying(state.root.querySelector('.play'), true);
  state.timer = setInterval(() => state.root.isConnected ? setFlip(state, !state.flip) : stopFlicker(state), 700);
}

function stopFlicker(state) {
  clearInterval(state.timer);
  state.timer = null;
  showPlaying(state.root.querySelector('.play'), false);
}
