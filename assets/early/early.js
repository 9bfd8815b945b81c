// The first view in the page's own HTML, until the app's own component stands in its place: see ui/early.py.
// `brought`, from there: markup, style, the name of the payload's file, screens.

const box = element('div', '', ''), host = element('div'), root = host.attachShadow({mode: 'open'});
// Where a screen or a visitor's own settings lay the page out in another way, it would jump.
const fits = matchMedia(brought.screens).matches
  && (localStorage['stActiveTheme-/-v2'] ?? '"System"') === '"System"'
  && !Object.keys(localStorage).some(name => /^(sidebarWidth|stSidebarCollapsed)/.test(name));
// What stands in the app instead of the first view, or over it.
const OTHER = ['Exception', 'Alert', 'Progress', 'Dialog'].map(name => `[data-testid=st${name}]`).join();
const opened = location.href;
let said = null;

const watch = new MutationObserver(() => {
  if (location.href !== opened || document.querySelector(OTHER)) leave();
});

// Take it away; what the hand did to it goes on in the app's own view, where that has come.
function leave(live) {
  if (!box.isConnected) return;
  watch.disconnect();
  const all = one => [...one.querySelectorAll('button, input, summary, [tabindex]')], at = all(root).indexOf(root.activeElement);
  if (live && said?.of === live.header.of) live.send('at', said);
  if (live && at >= 0) all(live.root)[at]?.focus();
  box.remove();
  globalThis.pruneattrEarly = null;
}

// When no hand is at it.
async function free() {
  const state = STATES.get(root);
  while (box.isConnected && (state?.held || state?.halt || state?.telling)) await new Promise(done => setTimeout(done, 50));
}

if (fits) {
  box.id = 'early';
  root.innerHTML = brought.markup;
  const title = element('p', '', 'Threshold explorer'), column = element('div');
  title.setAttribute('aria-hidden', 'true');   // the app's own follows within a second
  column.append(title, host);
  box.append(element('style', '', brought.style), column);
  document.body.append(box);
  globalThis.pruneattrEarly = {root, free, leave};
  watch.observe(document.body, {childList: true, subtree: true});
  setTimeout(leave, 10_000);   // no app: what Streamlit says of it is all that there is
  const there = new URL(brought.file, document.baseURI);
  fetch(there).then(answer => answer.ok ? answer.arrayBuffer() : Promise.reject(answer.status)).then(bytes =>
    mount({data: new Uint8Array(bytes), parentElement: root, setStateValue(_, value) { said = value; }})).catch(() => leave());
}
