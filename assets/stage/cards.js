// One card a method: its swatch, its picture on a canvas, what the network says now.

const put = (parent, ...what) => parent.appendChild(element(...what));

function buildCards(state) {
  const {header, root} = state, host = root.querySelector('.cards');
  host.replaceChildren();
  host.style.setProperty('--count', header.cards.length);
  for (const card of header.cards) {
    const figure = put(host, 'figure', `card ${card.state}`), caption = put(figure, 'figcaption');
    const swatch = shape(caption, 'svg', {class: 'swatch', width: 34, height: 10, 'aria-hidden': 'true'});
    shape(swatch, 'line', {x1: 1, x2: 33, y1: 5, y2: 5, class: 'line', ...stroke(card)});
    put(caption, 'span', 'name', card.title);
    const frame = put(figure, 'div', 'frame');
    frame.style.aspectRatio = `${header.width} / ${header.height}`;
    const canvas = put(frame, 'canvas', header.width <= 64 ? 'pixels' : '');
    canvas.width = header.width; canvas.height = header.height;
    canvas.setAttribute('role', 'img');
    const context = canvas.getContext('2d'), image = context.createImageData(header.width, header.height);
    const hole = put(frame, 'p', 'hole', card.state === 'ready' ? 'to come' : card.text);
    const line = put(figure, 'p', 'now');
    Object.assign(card, {figure, hole, canvas, context, image, pixels: new Uint32Array(image.data.buffer), value: put(line, 'span', 'value'), answer: put(line, 'span', 'answer'), total: put(figure, 'p', 'total')});
  }
}

// Of maps that come one after the other those before this one may be there.
const isToCome = ({at}, {there}) => there !== undefined && at >= there;

function paintCards(state) {
  const {header} = state;
  for (const card of header.cards) {
    PAINTER.paint(state, card);
    card.context.putImageData(card.image, 0, 0);
  }
}

function writeCards(state) {
  const {header, measure, at} = state, k = pointAt(header, at);
  const near = Math.abs(header.points[k] - at) > 1e-9;
  state.root.querySelector('.near').hidden = !near;
  for (const card of header.cards) {
    const there = card.state === 'ready' && !isToCome(state, card);
    card.figure.classList.toggle('ready', there);
    card.hole.hidden = there;
    if (!card.values) { card.canvas.setAttribute('aria-label', `${card.title}: ${card.text}`); continue; }
    const value = valueAt(header, card, measure.key, at);
    const said = value === null ? card.computing ? '…' : 'undefined' : `${near ? '≈ ' : ''}${measure.valued ? valued(value) : sized(value, 2)}`;
    card.value.textContent = `${measure.short} ${said}`;
    const {text, broken} = PAINTER.answer(header, card, k);
    card.answer.textContent = text;
    card.answer.classList.toggle('broken', broken);
    card.total.textContent = [PAINTER.total(state, card), card.same].filter(Boolean).join(' · ');
    card.canvas.setAttribute('aria-label', there ? `${card.title}: ${measure.short} ${said}. ${text}` : `${card.title}: ${card.hole.textContent}`);
  }
}
