// Words that explain themselves where they are pointed at, tapped or reached by keyboard: those of the glossary,
// in a component's texts or the page's own, and whatever has a title. Of no text more is changed than the space
// before a percent sign: it may be React's, which compares what it wrote itself.

// A lesson in another language has entries of its own, as long as it stands.
const entriesNow = () => globalThis.pruneattrGlossary ?? GLOSSARY;
let index = null;

// Spellings of the entries that count now.
function indexNow() {
  const entries = entriesNow();
  if (index?.entries === entries) return index;
  const spellings = new Map(), labels = new Map();
  for (const entry of entries) for (const spelling of [entry.word, ...(entry.also ?? [])])
    (entry.label ? labels : spellings).set(spelling.toLowerCase(), entry);
  for (const entry of entries) for (const spelling of entry.label ? entry.also ?? [] : [])
    if (spelling.includes(' ')) spellings.set(spelling.toLowerCase(), entry);
  const spelt = [...spellings.keys()].sort((a, b) => b.length - a.length).map(text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/[-\s]+/g, '[-\\s]'));
  index = {entries, spellings, labels, any: new RegExp(`(?<![\\p{L}\\d])(?:${spelt.join('|')})(?![\\p{L}\\d])`, 'giu')};
  return index;
}

const NOT_PROSE = 'script, style, code, pre, textarea, input, canvas, output, [contenteditable], .sentence, [data-testid=stSidebarNav], [data-testid=stDataFrame], .js-plotly-plot, .explanation';
const MARKED = 'pruneattr-words', WATCHED = new WeakMap();
const EXPLANATION = `.explanation { position: fixed; inset: auto; margin: 0; max-width: min(24rem, calc(100vw - 16px)); padding: .5rem .7rem; border: 1px solid rgba(128, 128, 128, .5); border-radius: 8px;
  font: 400 14.5px/1.45 var(--st-font, "Source Sans", sans-serif); color: #f5f7fa; background: #1c2430; box-shadow: 0 4px 18px rgba(0, 0, 0, .35); pointer-events: none; z-index: 999999; white-space: normal; text-align: left; }
  .explanation p { margin: 0; } .explanation p + p { margin-top: .35rem; } .explanation b { color: #8fd0ff; }
  ::highlight(${MARKED}) { text-decoration: underline dotted 1.5px; text-decoration-color: color-mix(in srgb, currentColor 55%, transparent); text-underline-offset: .2em; }`;

const plainText = text => text.replace(/[\u00a0\u202f\s]+/g, ' ').trim();

// Entries of a text, with where they stand in it; a label is all of its text.
function wordsIn(text) {
  const {labels, any} = indexNow(), label = labels.get(plainText(text).toLowerCase());
  if (label) return [{entry: label, start: text.search(/\S/), end: text.trimEnd().length}];
  return [...text.matchAll(any)].map(match => ({entry: entryOf(plainText(match[0])), start: match.index, end: match.index + match[0].length})).filter(found => found.entry);
}

// A map is no mAP: words with capitals inside are meant as they are written.
function entryOf(text) {
  const {spellings} = indexNow(), entry = spellings.get(text.toLowerCase()) ?? spellings.get(text.toLowerCase().replace(/-/g, ' '));
  const exact = entry && [entry.word, ...(entry.also ?? [])].find(spelling => spelling.toLowerCase() === text.toLowerCase());
  return exact && /.[A-Z]/.test(exact.replace(/[\s-]./g, '')) && exact !== text ? null : entry;
}

// Let the words below `root`, a document or a component's shadow, explain themselves.
function explainWords(root) {
  if (WATCHED.has(root)) return;
  const home = root.body ?? root, tip = element('div', 'explanation'), state = {root, tip, found: new Map(), ranges: []};
  WATCHED.set(root, state);
  tip.id = `explanation-${Math.random().toString(36).slice(2)}`;
  tip.setAttribute('role', 'tooltip');
  tip.popover = 'manual';
  tip.hidden = true;
  (root.head ?? root).append(element('style', '', EXPLANATION));
  home.append(tip);
  root.addEventListener('pointermove', event => event.pointerType !== 'touch' && onPoint(state, event));
  root.addEventListener('pointerdown', () => hideExplanation(state));
  root.addEventListener('click', event => event.pointerType === 'touch' && explainAt(state, event, event.composedPath()[0]));
  root.addEventListener('focusin', event => onFocus(state, event.composedPath()[0]));
  root.addEventListener('focusout', () => hideExplanation(state));
  for (const name of ['wheel', 'touchmove']) root.addEventListener(name, () => hideExplanation(state), {passive: true});
  (root.host ?? document.documentElement).addEventListener('pointerleave', () => hideExplanation(state));
  const gone = new AbortController(), elsewhere = {capture: true, passive: true, signal: gone.signal};
  const dismiss = () => { if (root.isConnected) hideExplanation(state); else gone.abort(); };
  document.addEventListener('keydown', event => event.key === 'Escape' && dismiss(), elsewhere);
  document.addEventListener('scroll', dismiss, elsewhere);
  const look = () => { clearTimeout(state.looking); state.looking = setTimeout(() => scan(state), 400); };
  new MutationObserver(changes => { if (changes.some(change => !tip.contains(change.target))) look(); }).observe(home, {subtree: true, childList: true, characterData: true});
  look();
}

function scan(state) {
  const home = state.root.body ?? state.root, marks = CSS.highlights?.get(MARKED) ?? (globalThis.Highlight && new Highlight());
  state.ranges.forEach(range => marks?.delete(range));
  state.ranges = [];
  state.found.clear();
  const walker = document.createTreeWalker(home, NodeFilter.SHOW_TEXT), entries = new Set();
  while (walker.nextNode()) {
    const node = walker.currentNode, host = node.parentElement;
    if (!host || node.data.length < 3 || host.closest(NOT_PROSE)) continue;
    const held = signHeld(node.data);
    if (held !== node.data) node.data = held;
    for (const word of wordsIn(node.data)) {
      const range = document.createRange();
      range.setStart(node, word.start); range.setEnd(node, word.end);
      state.found.set(host, [...(state.found.get(host) ?? []), {...word, range}]);
      // Underlined where it stands first; explained everywhere.
      if (!entries.has(word.entry) && !host.closest('button, h1, h2, summary')) { state.ranges.push(range); marks?.add(range); }
      entries.add(word.entry);
    }
  }
  if (marks) CSS.highlights.set(MARKED, marks);
  // All words on the screen, by where they stand: the list in the sidebar shows them.
  (globalThis.pruneattrWords ??= new Map()).set(state.root, entries);
  dispatchEvent(new Event('pruneattr-words'));
}

const coversPoint = (range, {clientX: x, clientY: y}) => [...range.getClientRects()].some(box => x >= box.left - 2 && x <= box.right + 2 && y >= box.top - 2 && y <= box.bottom + 2);

// What there is to say of a place: the word under the pointer, else that of the control around it, and its title.
function explainable(state, event, target) {
  if (!state.root.contains(target)) return null;   // within a component, which has its own
  const titled = state.root.body ? null : target.closest?.('[title], [data-title]');
  let word = (state.found.get(target) ?? []).find(({range}) => coversPoint(range, event));
  const control = target.closest?.('button, [role=radio], summary, label');
  if (!word && control) word = wordsIn(plainText(control.textContent))[0];
  const title = titled?.title || titled?.dataset.title || '';
  return word || title ? {entry: word?.entry, title, titled, host: control ?? titled ?? target, box: word?.range && !control ? word.range.getBoundingClientRect() : (control ?? titled ?? target).getBoundingClientRect()} : null;
}

function onPoint(state, event) {
  const found = explainable(state, event, event.composedPath()[0]);
  if (found?.host === state.host && found?.entry === state.entry) return;
  hideExplanation(state);
  if (!found || event.buttons) return;
  state.host = found.host; state.entry = found.entry;
  if (found.titled?.title) { found.titled.dataset.title = found.titled.title; found.titled.title = ''; state.titled = found.titled; }
  state.waiting = setTimeout(() => showExplanation(state, found), 300);
}

function explainAt(state, event, target) {
  const found = explainable(state, event, target);
  if (found) showExplanation(state, found);
}

// A control that was reached by keyboard says what its words mean; a slider would say it all the while.
function onFocus(state, target) {
  if (!state.root.contains(target) || !target.matches(':focus-visible') || target.matches('input, textarea, [role=slider]') || target.textContent.length > 80) return;
  const word = wordsIn(plainText(target.textContent))[0], title = state.root.body ? '' : target.title;
  if (word || title) showExplanation(state, {entry: word?.entry, title, host: target, box: target.getBoundingClientRect()});
}

function showExplanation(state, {entry, title, host, box}) {
  const {tip} = state, lines = [];
  if (title && title !== entry?.means) lines.push(element('p', '', title));
  if (entry) { const line = element('p'); line.append(element('b', '', entry.word), `: ${entry.means}`); lines.push(line); }
  tip.replaceChildren(...lines);
  tip.hidden = false;
  tip.showPopover?.();
  const {width, height} = tip.getBoundingClientRect(), below = box.bottom + 8;
  tip.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, box.left))}px`;
  tip.style.top = `${below + height < innerHeight ? below : Math.max(8, box.top - height - 8)}px`;
  if (!host.hasAttribute('aria-describedby')) { host.setAttribute('aria-describedby', tip.id); state.described = host; }
}

function hideExplanation(state) {
  clearTimeout(state.waiting);
  state.host = state.entry = null;
  if (state.titled) { state.titled.title ||= state.titled.dataset.title; delete state.titled.dataset.title; state.titled = null; }
  state.described?.removeAttribute('aria-describedby');
  state.described = null;
  if (state.tip.hidden) return;
  state.tip.hidePopover?.();
  state.tip.hidden = true;
}

// What a <details> lists when it is opened: entries of the glossary.
function defineWords(box, entries) {
  const list = box.querySelector('dl');
  box.ontoggle = () => list.replaceChildren(...(box.open ? entries : []).flatMap(({word, means}) => [element('dt', '', word), element('dd', '', means)]));
  box.ontoggle();
}
