// HTML and SVG nodes in one line each; texts enter as text, never as HTML.

function element(tag, name = '', text = '') {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text) node.textContent = text;
  return node;
}

// A text that a narrow place cuts off: pointed at or tapped, it is read whole.
function cutText(tag, name, text) {
  const node = element(tag, name, text);
  node.title = text;
  return node;
}

function shape(parent, tag, attributes, text) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

// Rows of a <dl>, each a box of its own: {label, text, title}, and whether the value is the best one or a bad one.
function drawNumbers(list, numbers) {
  list.replaceChildren(...numbers.map(({label, text, title, best, bad}) => {
    const name = element('dt', '', label), value = element('dd', best ? 'best' : bad ? 'bad' : '', text);
    name.title = value.title = title;
    const row = element('div');
    row.append(name, value);
    return row;
  }));
}
