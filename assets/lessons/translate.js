// The words of the page shown in a lesson, in the lesson's language: its texts are English everywhere else.
// A text that is not known stays. What was put is taken back when the lesson changes its language or is left.

const VIEWS = '[class*="st-key-lesson_view"]', NO_TEXT = ['STYLE', 'SCRIPT', 'CODE', 'PRE', 'TEXTAREA'];
// What a view opens elsewhere on the page: menus, lists to choose from, help.
const OPENED = '[data-baseweb="popover"], [data-testid="stPopoverBody"], [data-testid="stSelectboxVirtualDropdown"], [role="listbox"], [data-testid="stTooltipContent"], .explanation';
const CHOSEN = 'input[role="combobox"]';
const ICON = '[data-testid="stIconMaterial"]';  // its text is the name of a sign
const LOOK = 250;  // milliseconds between two looks for new components
let stop = null;
const PUT = new Map();  // node, or its attribute -> [element, attribute, "value" or null, English, put]

function translator({exact, patterns, decimal}, more) {
  const known = new Map(Object.entries(exact)), rules = patterns.map(([english, other]) => [new RegExp(english, 'u'), other]);
  const number = text => decimal === ',' ? germanNumber(text).replace(/^([^\p{L}]*\d)%$/u, '$1 %') : text;
  const spaced = text => text.replace(/(\d)\u00a0%/g, '$1 %');  // as Python wrote it
  const byRule = text => {
    for (const [english, other] of rules) {
      const parts = text.match(english);
      if (parts) return other.replace(/\$(\d)/g, (_, place) => { const part = parts[place] ?? ''; return number(known.get(part) ?? part); });
    }
  };
  return said => {
    const text = spaced(said), plain = text.trim(), whole = more(text);
    if (!plain || whole !== text) return signHeld(whole);
    const other = one => known.get(one) ?? byRule(one);
    return signHeld(text.replace(plain, () => other(plain) ?? plain.split(' · ').map(one => other(one) ?? number(one)).join(' · ')));
  };
}

export default function ({data: {words}}) {
  stop?.();
  const data = JSON.parse(words);
  const say = translator(data, data.language === 'de' ? germanOf : text => text);
  const set = (node, name, text) => { if (name === 'value') node.value = text; else if (name) node.setAttribute(name, text); else node.data = text; };
  const put = (key, node, name, text) => {
    const former = PUT.get(key);
    if (former?.[3] === text) return;
    const other = say(text);
    if (other === text) return PUT.delete(key);
    PUT.set(key, [node, name, text, other]);
    set(node, name, other);
  };
  const keys = new WeakMap();
  const keyOf = (node, name) => { if (!keys.has(node)) keys.set(node, {}); return keys.get(node)[name] ??= {}; };
  let typing = null;
  const attributes = node => {
    if (node === typing && node.getAttribute('aria-expanded') !== 'true') typing = null;
    if (node.matches(CHOSEN) && node !== typing) put(keyOf(node, 'value'), node, 'value', node.value);
    for (const name of ATTRIBUTES) { const text = node.getAttribute(name); if (text) put(keyOf(node, name), node, name, text); }
  };
  const walk = node => {
    if (node.nodeType === 3) return put(node, node, null, node.data);
    if (node.nodeType !== 1 || NO_TEXT.includes(node.nodeName) || node.matches(ICON)) return;
    attributes(node);
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
      if (near?.closest(VIEWS) || near?.closest(OPENED)) return true;
      const root = at.getRootNode();
      at = root instanceof ShadowRoot ? root.host : null;
    }
    return false;
  };
  const watcher = new MutationObserver(changes => {
    for (const {type, target, addedNodes} of changes) {
      if (type === 'childList') { for (const node of addedNodes) if (node.isConnected) found(node); }
      else if (shown(target)) (type === 'attributes' ? attributes : walk)(target);
    }
    for (const [key, [node]] of PUT) if (!node.isConnected) PUT.delete(key);
  });
  const watch = root => watcher.observe(root, {subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: [...ATTRIBUTES, 'value', 'aria-expanded']});
  const found = node => {
    if (shown(node)) walk(node);
    else if (node.querySelectorAll) for (const place of node.querySelectorAll(`${VIEWS}, ${OPENED}`)) walk(place);
  };
  // A list is searched by what its choices are called in English.
  const onKey = ({target}) => {
    if (!target.matches?.(CHOSEN) || target === typing) return;
    const [, , english, other] = PUT.get(keyOf(target, 'value')) ?? [], all = target.selectionEnd - target.selectionStart === target.value.length;
    typing = target;
    if (target.value !== other) return;
    target.value = english;
    if (all) target.select();
  };
  const onLeave = ({target}) => { if (target === typing) typing = null; };
  document.addEventListener('beforeinput', onKey, true);
  document.addEventListener('focusout', onLeave, true);
  globalThis.pruneattrGlossary = data.glossary;
  watch(document.body);
  found(document.body);
  // A component gets its root after it has come to the page, and a list what was chosen in it: nothing tells of that.
  const clock = setInterval(() => {
    for (const host of document.querySelectorAll(`${VIEWS} *`)) if (host.shadowRoot && !entered.has(host.shadowRoot)) enter(host.shadowRoot);
    for (const input of document.querySelectorAll(`:is(${VIEWS}, ${OPENED}) ${CHOSEN}`)) attributes(input);
  }, LOOK);
  stop = () => {
    watcher.disconnect();
    clearInterval(clock);
    document.removeEventListener('beforeinput', onKey, true);
    document.removeEventListener('focusout', onLeave, true);
    delete globalThis.pruneattrGlossary;
    for (const [node, name, english, other] of PUT.values()) {
      if ((name === 'value' ? node.value : name ? node.getAttribute(name) : node.data) === other) set(node, name, english);
    }
    PUT.clear();
    stop = null;
  };
  const mine = stop;   // as in review/review.js
  return () => { if (stop === mine) mine(); };
}
