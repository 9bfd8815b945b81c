// Pictures to choose from: a few thumbnails around the chosen one, next and previous by buttons and arrow keys.

const STRIPS = new WeakMap();
const PAUSE = 150;                                       // ms without another key before the server is told

const KEYS = {
  ArrowRight: s => s.at + 1, ArrowDown: s => s.at + 1, ArrowLeft: s => s.at - 1, ArrowUp: s => s.at - 1,
  PageDown: s => s.at + s.shown.length, PageUp: s => s.at - s.shown.length, Home: () => 0, End: s => s.count - 1,
};

function mark(s) {
  s.box.value = s.at + 1;
  for (const button of s.thumbs.children) {
    const chosen = +button.dataset.index === s.at;
    button.setAttribute('aria-checked', chosen);
    button.tabIndex = chosen ? 0 : -1;
  }
  if (![...s.thumbs.children].some(button => button.tabIndex === 0) && s.thumbs.firstChild) s.thumbs.firstChild.tabIndex = 0;
}

// The last picture is followed by the first.
function go(s, index, pause = 0) {
  s.at = ((index % s.count) + s.count) % s.count;
  mark(s);
  if (s.focused) s.thumbs.querySelector('[aria-checked=true]')?.focus();
  clearTimeout(s.timer);
  s.timer = setTimeout(() => { s.timer = 0; s.send('picked', {of: s.of, index: s.at}); }, pause);
}

// A run that was on its way when a key was pressed neither takes the choice back nor stops it being sent.
const standing = (s, of, at) => s.timer && s.of === of ? s.at : at;

function thumbnail(s, {index, title, image}) {
  const button = element('button'), picture = element('img');
  button.type = 'button';
  button.title = title;
  button.setAttribute('role', 'radio');
  button.setAttribute('aria-label', title);
  button.dataset.index = index;
  picture.src = image;
  picture.alt = '';
  button.append(picture);
  button.onclick = () => { s.focused = true; go(s, index); };
  return button;
}

function begin(root) {
  const s = {thumbs: root.querySelector('.thumbs'), box: root.querySelector('input')};

  s.thumbs.addEventListener('focusin', () => { s.focused = true; });
  s.thumbs.addEventListener('focusout', event => { if (event.relatedTarget) s.focused = false; });
  s.thumbs.onkeydown = event => {
    const next = KEYS[event.key];
    if (!next || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(s, event.key.startsWith('Page') ? Math.min(Math.max(next(s), 0), s.count - 1) : next(s), PAUSE);
  };
  for (const button of root.querySelectorAll('[data-step]')) button.onclick = () => go(s, s.at + +button.dataset.step, PAUSE);
  root.querySelector('.surprise').onclick = () => go(s, s.at + 1 + Math.floor(Math.random() * (s.count - 1)));
  s.box.onchange = () => {
    const wanted = Math.round(+s.box.value);
    if (wanted >= 1 && wanted <= s.count) go(s, wanted - 1); else mark(s);
  };
  return s;
}

export default function ({data, parentElement: root, setTriggerValue}) {
  let s = STRIPS.get(root);
  if (!s) STRIPS.set(root, s = begin(root));
  s.send = setTriggerValue;
  const {of, count, at, thumbs} = data;
  if (s.of !== of) {
    clearTimeout(s.timer);
    s.timer = 0;
  }
  Object.assign(s, {at: standing(s, of, at), of, count, shown: thumbs});
  s.box.max = count;
  root.querySelector('.of').textContent = `of ${count.toLocaleString('en')}`;
  for (const button of root.querySelectorAll('[data-step], .surprise')) button.disabled = count < 2;
  const focused = s.focused && s.thumbs.contains(root.activeElement ?? root.getRootNode().activeElement);
  s.thumbs.replaceChildren(...thumbs.map(one => thumbnail(s, one)));
  mark(s);
  if (focused) s.thumbs.querySelector('[aria-checked=true]')?.focus({preventScroll: true});
}
