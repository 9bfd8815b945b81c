// Pictures to choose from: a few thumbnails around the chosen one, next and previous by buttons and arrow keys.

const STRIPS = new WeakMap();
const PAUSE = 150;                                       // ms without another key before the server is told

const KEYS = {
  ArrowRight: s => onward(s, 1), ArrowDown: s => onward(s, 1), ArrowLeft: s => onward(s, -1), ArrowUp: s => onward(s, -1),
  PageDown: s => go(s, Math.min(s.at + s.shown.length, s.count - 1), PAUSE),
  PageUp: s => go(s, Math.max(s.at - s.shown.length, 0), PAUSE),
  Home: s => go(s, 0, PAUSE), End: s => go(s, s.count - 1, PAUSE),
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

const within = (s, index) => ((index % s.count) + s.count) % s.count;   // the last picture is followed by the first

// `step`: how far on from the picture before, where that is what was asked for; it means the same in any data set.
function go(s, index, pause = 0, step = null) {
  s.at = within(s, index);
  s.step = step === null ? null : (s.timer ? s.step ?? 0 : 0) + step;
  mark(s);
  if (s.focused) s.thumbs.querySelector('[aria-checked=true]')?.focus();
  clearTimeout(s.timer);
  s.timer = setTimeout(() => { s.timer = 0; s.send('picked', {of: s.of, index: s.at, step: s.step, when: Date.now()}); }, pause);
}

const onward = (s, step, pause = PAUSE) => go(s, s.at + step, pause, step);

// A run that was on its way when something was pressed neither takes the choice back nor stops it being sent. In
// another data set a step goes on from where that begins; a picture of the former one means nothing there.
function standing(s, of, at) {
  if (s.timer && s.of === of) return s.at;
  if (s.timer && s.step) return within(s, at + s.step);
  clearTimeout(s.timer);
  s.timer = 0;
  return at;
}

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
    const press = KEYS[event.key];
    if (!press || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    press(s);
  };
  for (const button of root.querySelectorAll('[data-step]')) button.onclick = () => onward(s, +button.dataset.step);
  root.querySelector('.surprise').onclick = () => onward(s, 1 + Math.floor(Math.random() * (s.count - 1)), 0);
  s.box.onchange = () => {
    const wanted = Math.round(+s.box.value);
    if (wanted >= 1 && wanted <= s.count) go(s, wanted - 1); else mark(s);
  };
  return s;
}

export default function ({data, parentElement: root, setStateValue}) {
  let s = STRIPS.get(root);
  if (!s) STRIPS.set(root, s = begin(root));
  s.send = setStateValue;  // a trigger is lost where a link to another page is pressed beside it
  const {of, count, at, thumbs} = data;
  s.count = count;
  Object.assign(s, {at: standing(s, of, at), of, shown: thumbs});
  s.box.max = count;
  root.querySelector('.of').textContent = `of ${count.toLocaleString('en')}`;
  for (const button of root.querySelectorAll('[data-step], .surprise')) button.disabled = count < 2;
  const focused = s.focused && s.thumbs.contains(root.activeElement ?? root.getRootNode().activeElement);
  s.thumbs.replaceChildren(...thumbs.map(one => thumbnail(s, one)));
  mark(s);
  if (focused) s.thumbs.querySelector('[aria-checked=true]')?.focus({preventScroll: true});
}
