// Verdicts by hand and by key; Python hears of each at once and keeps it.

const SAYINGS = [['ok', 'OK', '1'], ['suspicious', 'Suspicious', '2'], ['broken', 'Broken', '3']];
const KEPT = 64;

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
    button.title = `${text} (key ${key})`;
    button.onclick = event => { event.stopPropagation(); judge(state, r, verdict, false); };
    group.append(button);
  }
  note.type = 'text'; note.maxLength = 500; note.placeholder = 'Note (N)';
  note.setAttribute('aria-label', `Note on ${row.title}`);
  note.value = state.drafts.get(row.key) ?? saidOf(state, row).note;
  note.onkeydown = event => {
    event.stopPropagation();
    if (event.key === 'Enter' || event.key === 'Escape') { event.preventDefault(); note.closest('.row').focus(); }
  };
  note.onchange = () => give(state, row, {...saidOf(state, row), note: note.value});
  const words = element('div', 'words');
  words.append(element('h3', '', row.title), element('p', 'target', `Explained: ${row.target}`));
  card.append(frame.box, words, group, note);
  return card;
}

const saidOf = (state, row) => state.given.get(row.key) ?? {verdict: row.verdict, note: row.note, n: 0};

function mark(state, row, group) {
  const {verdict} = saidOf(state, row);
  for (const button of group.children) {
    button.setAttribute('aria-pressed', String(button.dataset.verdict === verdict));
  }
  group.closest('.row').dataset.verdict = verdict;
}

function give(state, row, said) {
  state.given.delete(row.key);
  state.given.set(row.key, {verdict: said.verdict, note: said.note, n: ++state.turn});
  while (state.given.size > KEPT) state.given.delete(state.given.keys().next().value);
  state.send('given', Object.fromEntries(state.given));
}

// The same verdict twice takes it back.
function judge(state, r, verdict, move) {
  const row = state.header.rows[r], line = state.root.querySelectorAll('.row')[r], now = saidOf(state, row);
  const next = now.verdict === verdict && !move ? '' : verdict;
  give(state, row, {...now, verdict: next});
  mark(state, row, line.querySelector('.verdicts'));
  const text = SAYINGS.find(one => one[0] === next)?.[1] ?? 'No verdict';
  state.root.querySelector('.said').textContent = `${row.title}: ${text}.`;
  if (!move) return;
  if (r + 1 < state.header.rows.length) goTo(state, r + 1);
  else turn(state, 1);
}

function goTo(state, r) {
  const lines = state.root.querySelectorAll('.row'), line = lines[Math.min(lines.length - 1, Math.max(0, r))];
  if (!line) return;
  line.focus({preventScroll: true});
  line.scrollIntoView({block: 'nearest', behavior: calm() ? 'auto' : 'smooth'});
}

function turn(state, step) {
  state.turned = true;
  // A state and no trigger: a run that is superseded before it reads a trigger would lose the page's turn.
  state.send('turn', {step, page: state.header.page, id: performance.timeOrigin + performance.now()});
}

function onDeskKey(state, event) {
  if (!state.header || event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input')) return;
  const rows = state.header.rows.length, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const said = SAYINGS.find(one => one[2] === key), at = Math.min(state.at, rows - 1);
  const note = () => state.root.querySelectorAll('.row')[at]?.querySelector('.note').focus();
  const actions = {
    ArrowDown: () => goTo(state, at + 1), j: () => goTo(state, at + 1),
    ArrowUp: () => goTo(state, at - 1), k: () => goTo(state, at - 1),
    PageDown: () => turn(state, 1), PageUp: () => turn(state, -1), n: note,
    0: () => judge(state, at, '', false),
    f: () => { if (state.mode !== 'flicker') setMode(state, 'flicker'); stopFlicker(state); setFlip(state, !state.flip); },
    p: () => { if (state.mode !== 'flicker') setMode(state, 'flicker'); else if (state.timer) stopFlicker(state); else startFlicker(state); },
  };
  const action = said ? () => judge(state, at, said[0], true) : actions[key];
  if (!action || !rows) return;
  event.preventDefault();
  action();
}
