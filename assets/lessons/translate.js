// The words of the page shown in a lesson, in the lesson's language: its texts are English everywhere else.
// A text that is not known stays. What was put is taken back when the lesson changes its language or is left.

const VIEWS = '[class*="st-key-lesson_view"]', LISTS = '[data-baseweb="popover"]', NO_TEXT = ['STYLE', 'SCRIPT', 'CODE', 'PRE', 'TEXTAREA', 'INPUT'];
const LOOK = 250;  // milliseconds between two looks for new components
let stop = null;
const HIDDEN = new Set();  // lists of words, which are English
const PUT = new Map();  // node, or its attribute -> [element, attribute or null, English, put]

function translator({exact, patterns, decimal}, more) {
  const known = new Map(Object.entries(exact)), rules = patterns.map(([english, other]) => [new RegExp(english, 'u'), other]);
  const number = text => decimal === ',' ? germanNumber(text) : text;
  const byRule = text => {
    for (const [english, other] of rules) {
      const parts = text.match(english);
      if (parts) return other.replace(/\$(\d)/g, (_, place) => { const part = parts[place] ?? ''; return number(known.get(part) ?? part); });
    }
  };
  return text => {
    const plain = text.trim(), whole = more(text);
    if (!plain || whole !== text) return whole;
    return text.replace(plain, () => known.get(plain) ?? byRule(plain) ?? number(plain));
  };
}

export default function ({data}) {
  stop?.();
  const say = translator(data, data.language === 'de' ? germanOf : text => text);
  const put = (key, node, name, text) => {
    const former = PUT.get(key);
    if (former?.[3] === text) return;
    const other = say(text);
    if (other === text) return PUT.delete(key);
    PUT.set(key, [node, name, text, other]);
    if (name) node.setAttribute(name, other); else node.data = other;
  };
  const keys = new WeakMap();
  const keyOf = (node, name) => { if (!keys.has(node)) keys.set(node, {}); return keys.get(node)[name] ??= {}; };
  const walk = node => {
    if (node.nodeType === 3) return put(node, node, null, node.data);
    if (node.nodeType !== 1 || NO_TEXT.includes(node.nodeName)) return;
    if (node.matches('details.words')) { node.hidden = true; HIDDEN.add(node); return; }
    for (const name of ATTRIBUTES) { const text = node.getAttribute(name); if (text) put(keyOf(node, name), node, name, text); }
    for (const child of node.childNodes) walk(child);
    if (node.shadowRoot) enter(node.shadowRoot);
  };
  const entered = new WeakSet();
  const enter = root => {
    if (!entered.has(root)) watch(root);
    entered.add(root);
    for (const child of root.childNodes) walk(child);
  };
  const shown = node => {
    for (let at = node; at;) {
      const near = at.nodeType === 1 ? at : at.parentElement;
      if (near?.closest(VIEWS) || near?.closest(LISTS)) return true;
      const root = at.getRootNode();
      at = root instanceof ShadowRoot ? root.host : null;
    }
    return false;
  };
  const watcher = new MutationObserver(changes => {
    for (const {type, target, addedNodes} of changes) {
      if (type === 'childList') { for (const node of addedNodes) if (node.isConnected) found(node); }
      else if (shown(target)) walk(target);
    }
    for (const [key, [node]] of PUT) if (!node.isConnected) PUT.delete(key);
  });
  const watch = root => watcher.observe(root, {subtree: true, childList: true, characterData: true});
  const found = node => {
    if (shown(node)) walk(node);
    else if (node.querySelectorAll) for (const place of node.querySelectorAll(VIEWS)) walk(place);
  };
  watch(document.body);
  found(document.body);
  // A component gets its root after it has come to the page, and nothing tells of that.
  const clock = setInterval(() => {
    for (const host of document.querySelectorAll(`${VIEWS} *`)) if (host.shadowRoot && !entered.has(host.shadowRoot)) enter(host.shadowRoot);
  }, LOOK);
  stop = () => {
    watcher.disconnect();
    clearInterval(clock);
    for (const list of HIDDEN) list.hidden = false;
    HIDDEN.clear();
    for (const [node, name, english, other] of PUT.values()) {
      if (name) { if (node.getAttribute(name) === other) node.setAttribute(name, english); }
      else if (node.data === other) node.data = english;
    }
    PUT.clear();
    stop = null;
  };
  return () => stop?.();
}
