// Verdicts by hand and by key; Python hears of each at once and keeps it.

const SAYINGS = [['ok', 'OK', '1'], ['suspicious', 'Suspicious', '2'], ['broken', 'Broken', '3']];
const KEPT = 64;
// Milliseconds without a key after which a note is kept.
const PAUSE = 600;

function verdictCard(state, row, r, path, photo) {
  const card = element('div', 'card'), frame = makeFrame(state, `${row.title}${row.masked ? ', the object outlined' : ''}`, path);
  paintPhoto(frame, photo);
  const group = element('div', 'verdicts'), note = element('input', 'note');
  group.setAttribute('role', 'group');
  group.setAttribute('aria-label', `Verdict on ${row.title}`);
  for (const [verdict, text, key] of SAYINGS) {
    const button = element('button', verdict, text);
    button.type = 'button';
    button.dataset.verdict = verdict;
    button.onclick = event => { event.stopPropagation(); judge(state, r, verdict, false); };
    group.append(button);
  }
  note.type = 'text'; note.maxLength = 500; note.placeholder = 'Note (N)';
  note.setAttribute('aria-label', `Note on ${row.title}`);
  note.defaultValue = saidOf(state, row).note;
  note.value = state.drafts.get(row.key) ?? note.defaultValue;
  note.onkeydown = event => {
    event.stopPropagation();
    if (event.key === 'Enter' || event.key === 'Escape') { event.preventDefault(); note.closest('.row').focus(); }
  };
  let pause;
  note.onchange = () => {
    clearTimeout(pause);
    if (note.value === note.defaultValue) return;
    note.defaultValue = note.value;
    const now = saidOf(state, row);
    give(state, row, {...now, note: note.value, level: now.verdict ? now.level : levelOf(state)});
  };
  note.oninput = () => { clearTimeout(pause); pause = setTimeout(note.onchange, PAUSE); };
  const words = element('div', 'words');
  words.append(cutText('h3', '', row.title), cutText('p', 'target', `Explained: ${row.target}`));
  card.append(frame.box, words, group, note);
  return card;
}

const saidOf = (state, row) => state.given.get(row.key) ?? {verdict: row.verdict, note: row.note, level: row.level, n: 0};
// Maps and numbers on the screen are those of this level: what is said now is said of it.
const levelOf = state => Math.round(state.level);

// Whether another window has spoken since: the server has heard all that was said here of this row, and has something else.
function isLater(state, row) {
  const said = state.given.get(row.key);
  return said && said.n === row.heard && (said.verdict !== row.verdict || said.note !== row.note || said.level !== row.level);
}

function mark(state, row, group) {
  const {verdict, level} = saidOf(state, row), {levels} = state.header;
  for (const button of group.children) {
    const given = button.dataset.verdict === verdict, [, text, key] = SAYINGS.find(one => one[0] === button.dataset.verdict);
    button.setAttribute('aria-pressed', String(given));
    button.title = `${text} (key ${key})` + (given && levels.length > 1 ? `, given at: ${levels[level]?.words ?? 'level not recorded'}` : '');
  }
  group.closest('.row').dataset.verdict = verdict;
}

function give(state, row, said) {
  const id = `${Date.now().toString(36)} ${Math.random().toString(36).slice(2)}`;
  const now = {verdict: said.verdict, note: said.note, level: said.level, n: ++state.turn, id};
  keepSaid(state, row, now);
  state.given.delete(row.key);
  state.given.set(row.key, now);
  while (state.given.size > KEPT) state.given.delete(state.given.keys().next().value);
  state.send('given', Object.fromEntries(state.given));
}

// What is said as a page goes may not leave the browser: this tab keeps it, and its next page asks whether it was heard.
const SAID = 'pruneattr-desk-said', LATELY = 60_000, STEPS = 16;

function saidLately() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(SAID)), now = Date.now();
    return {...kept, rows: Object.fromEntries(Object.entries(kept.rows).filter(([, one]) => now - one.at < LATELY))};
  } catch { return {rows: {}}; }
}

// With what was said before it: another window's word since then is not said over.
function keepSaid({header, given}, row, said) {
  const kept = saidLately(), rows = kept.review === header.review ? kept.rows : {};
  const {verdict, note, id = null} = given.get(row.key) ?? row;
  rows[row.key] = {said, before: [...rows[row.key]?.before ?? [], [verdict, note, id]].slice(-STEPS), at: Date.now()};
  try { sessionStorage.setItem(SAID, JSON.stringify({review: header.review, made_up: header.made_up, rows})); } catch { /* it goes with the page */ }
}

function sayAgain(state) {
  const {review, made_up, rows} = saidLately(), [how] = performance.getEntriesByType('navigation');
  if (Object.keys(rows).length) state.send('again', {review, rows, resume: Boolean(made_up) && how?.type === 'reload'});
}

// The same verdict twice takes it back. A key judges only a row that is in sight.
function judge(state, r, verdict, move) {
  const row = state.header.rows[r], line = state.root.querySelectorAll('.row')[r], now = saidOf(state, row);
  if (move && !inSight(state, line)) {
    goTo(state, r);
    announce(state, `${row.title} was out of sight and is not judged. It is here now: press the key again.`);
    return;
  }
  const next = now.verdict === verdict && !move ? '' : verdict;
  state.done.push({row, before: now, page: state.header.page, about: state.header.about});
  if (state.done.length > KEPT) state.done.shift();
  say(state, row, line, next, levelOf(state));
  if (!move && !isNarrow(state)) return;
  if (r + 1 < state.header.rows.length) goTo(state, r + 1);
  else turn(state, 1);
}

function say(state, row, line, verdict, level) {
  give(state, row, {...saidOf(state, row), verdict, level});
  if (line) mark(state, row, line.querySelector('.verdicts'));
  state.root.querySelector('.undo').disabled = !state.done.length;
  tell(state, `${row.title}: ${SAYINGS.find(one => one[0] === verdict)?.[1] ?? 'No verdict'}.`);
}

// Verdicts only: what was typed since stays. The row is brought back into sight, from another page, too.
function undo(state) {
  const last = state.done.pop();
  if (!last) return;
  const r = state.header.rows.findIndex(row => row.key === last.row.key);
  say(state, last.row, state.root.querySelectorAll('.row')[r], last.before.verdict, last.before.level);
  if (r >= 0) return goTo(state, r);
  const other = last.about !== state.header.about;  // its row is on no page of this desk
  announce(state, `${last.row.title} ${other ? `for ${last.about}` : `on page ${last.page}`}: the verdict is taken back.`);
  if (other) return;
  if (state.header.refills || last.page === state.header.page) return;  // where pages move up, it has none for good
  state.wanted = last.row.key;
  turn(state, last.page - state.header.page);
}

const tell = (state, text) => { state.root.querySelector('.said').textContent = text; };

// What nothing on the screen shows is written there, too.
function announce(state, text) {
  const line = state.root.querySelector('.said');
  tell(state, text);
  line.classList.add('shown');
  clearTimeout(state.announced);
  state.announced = setTimeout(() => line.classList.remove('shown'), 6000);
}
