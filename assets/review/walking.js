// From row to row and page to page: where the focus is, there is the view, and the other way round.

const linesOf = state => [...state.root.querySelectorAll('.row')];
const isNarrow = state => state.root.querySelector('.review').clientWidth <= 720;

// What covers the top of the page: the app's bar, and the heads that stay while rows move.
function coveredTop(state) {
  const full = document.fullscreenElement !== null, bar = full ? null : document.querySelector('[data-testid=stHeader]');
  const heads = state.root.querySelector('.heads'), top = Math.max(0, bar?.getBoundingClientRect().bottom ?? 0);
  state.root.querySelector('.review').style.setProperty('--bar', `${top}px`);
  return top + (heads?.getBoundingClientRect().height ?? 0);
}

function inSight(state, line) {
  if (!line) return false;
  const {top, bottom, height} = line.getBoundingClientRect(), from = coveredTop(state);
  const shown = Math.min(bottom, innerHeight) - Math.max(top, from);
  return height > 0 && shown >= .7 * Math.min(height, innerHeight - from);
}

function goTo(state, r) {
  const lines = linesOf(state), at = Math.min(lines.length - 1, Math.max(0, r)), line = lines[at];
  if (!line) return;
  beNow(state, at);
  bringInSight(state, line);
  line.focus({preventScroll: true});
}

function bringInSight(state, line) {
  const zoom = line.currentCSSZoom ?? 1;  // full screen enlarges
  line.style.scrollMarginTop = `${coveredTop(state) / zoom + 6}px`;
  line.style.scrollMarginBottom = '4px';
  line.scrollIntoView({block: 'nearest', behavior: 'instant'});     // a later key must find it in place
}

const focusedAt = state => linesOf(state).indexOf(state.root.activeElement ?? state.root.getRootNode().activeElement);

// What is above the row or beside its maps may come later, and push it out.
function holdInSight(state, around) {
  state.held = around.offsetHeight;
  const line = state.header && linesOf(state)[focusedAt(state)];
  if (line) bringInSight(state, line);
}

// One row a screen on a phone: this one.
function beNow(state, r) {
  state.at = r;
  linesOf(state).forEach((line, i) => line.classList.toggle('now', i === r));
  const {header, root} = state;
  root.querySelector('.where').textContent = `${r + 1} of ${header.rows.length}, page ${header.page} of ${header.pages}`;
  root.querySelector('.before').disabled = r === 0 && header.page === 1;
  root.querySelector('.after').disabled = r === header.rows.length - 1 && isLast(state);
}

const isLast = state => state.header.page >= state.header.pages && !state.header.refills;
const firstOpen = state => state.header.rows.findIndex(row => !saidOf(state, row).verdict);

function step(state, by) {
  const next = state.at + by;
  if (next >= 0 && next < state.header.rows.length) goTo(state, next);
  else turn(state, by);
}

// The first row without a verdict: on this page, else Python knows the page.
function toOpen(state) {
  const open = firstOpen(state);
  if (open >= 0) goTo(state, open);
  else turn(state, 0);
}

function turn(state, by) {
  if (by > 0 && isLast(state)) return announce(state, 'This was the last picture.');
  if (by < 0 && state.header.page === 1) return;
  state.turned = performance.now();
  // A state and no trigger: a run that is superseded before it reads a trigger would lose the page's turn.
  state.send('turn', {step: by, page: state.header.page, id: performance.timeOrigin + performance.now()});
}

// While a page is on its way nothing of the old one can be judged by a key.
const isTurning = state => state.turned && performance.now() - state.turned < 4000;

function followScroll(state, around) {
  if (state.scrolled) return;
  state.scrolled = setTimeout(() => {
    state.scrolled = null;
    if (!state.header) return;
    if (around && around.offsetHeight !== state.held) return holdInSight(state, around);  // pushed out, not scrolled
    const lines = linesOf(state), on = focusedAt(state);
    if (on < 0 || inSight(state, lines[on])) return;
    const seen = lines.findIndex(line => inSight(state, line));
    if (seen >= 0) { beNow(state, seen); lines[seen].focus({preventScroll: true}); }
  }, 80);
}

// A thumb's way across a row, where maps are not swiped themselves.
function wireThumb(state) {
  const rows = state.root.querySelector('.rows');
  let from = null;
  rows.addEventListener('touchstart', event => { from = event.touches.length === 1 ? event.touches[0] : null; }, {passive: true});
  rows.addEventListener('touchend', event => {
    if (!from || state.mode === 'swipe' || !isNarrow(state)) return;
    const to = event.changedTouches[0], x = to.clientX - from.clientX, y = to.clientY - from.clientY;
    if (Math.abs(x) > 50 && Math.abs(x) > 1.5 * Math.abs(y)) step(state, x < 0 ? 1 : -1);
  }, {passive: true});
}

// The first Tab of the page, when it stands first: past menu and settings, to what is judged.
function skipLink(state) {
  const link = element('button', '', 'Skip to the pictures');
  link.type = 'button';
  link.className = 'pruneattr-skip';
  link.style.cssText = 'position:fixed;left:.5rem;top:-4rem;z-index:1000000;padding:.5rem 1rem;border-radius:.5rem;border:2px solid;font:600 1rem sans-serif;background:#fff;color:#005b8f';
  link.onfocus = () => { link.style.top = '.5rem'; };
  link.onblur = () => { link.style.top = '-4rem'; };
  link.onclick = () => { const open = state.header ? firstOpen(state) : -1; if (state.header) goTo(state, Math.max(0, open)); };
  return link;
}

function onDeskKey(state, event) {
  const inField = event.target.matches('input, summary'), undoing = (event.ctrlKey || event.metaKey) && event.key === 'z';
  if (!state.header || inField || event.altKey || ((event.ctrlKey || event.metaKey) && !undoing)) return;
  const rows = state.header.rows.length, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const said = SAYINGS.find(one => one[2] === key), at = Math.min(state.at, rows - 1);
  const note = () => { goTo(state, at); linesOf(state)[at]?.querySelector('.note').focus({preventScroll: true}); };
  const actions = {
    ArrowDown: () => goTo(state, at + 1), j: () => goTo(state, at + 1),
    ArrowUp: () => goTo(state, at - 1), k: () => goTo(state, at - 1),
    PageDown: () => turn(state, 1), PageUp: () => turn(state, -1), n: note, u: () => toOpen(state), z: () => undo(state),
    0: () => judge(state, at, '', false),
    f: () => { if (state.mode !== 'flicker') setMode(state, 'flicker'); stopFlicker(state); setFlip(state, !state.flip); },
    p: () => { if (state.mode !== 'flicker') setMode(state, 'flicker'); else if (state.timer) stopFlicker(state); else startFlicker(state); },
  };
  const action = said ? () => judge(state, at, said[0], true) : actions[key];
  if (!action || !rows) return;
  event.preventDefault();
  event.stopPropagation();  // in a lesson the same keys answer and turn pages
  if (!isTurning(state)) action();
}
