// The linked chart: one line a card, drawn up to the slider; its horizontal axis is the slider's track.

const LEFT = 46, RIGHT = 16, DIGITS = 24;               // px; room of a number of two digits
const DASHES = {solid: '', dash: '9 5', dot: '2.5 4', dashdot: '9 4 2.5 4', longdash: '15 6', longdashdot: '15 5 2.5 5'};

const stroke = card => ({stroke: card.colour, 'stroke-dasharray': DASHES[card.dash] ?? ''});

// Value of a card at a position: between two computed points the straight line; null where one is undefined.
function valueAt(header, card, key, at) {
  const {points} = header, values = card.values[key];
  let low = 0;
  while (low < points.length - 2 && points[low + 1] <= at) low++;
  const share = Math.min(1, Math.max(0, (at - points[low]) / (points[low + 1] - points[low])));
  if (share === 0) return values[low];
  if (share === 1) return values[low + 1];
  return values[low] === null || values[low + 1] === null ? null : values[low] + share * (values[low + 1] - values[low]);
}

// The computed point that stands for a position: the last one passed.
function pointAt(header, at) {
  let k = 0;
  while (k < header.points.length - 1 && header.points[k + 1] <= at + 1e-9) k++;
  return k;
}

function drawChart(state) {
  const {header, root, measure, end} = state, host = root.querySelector('.chart');
  const width = Math.max(host.clientWidth, LEFT + RIGHT), height = host.clientHeight, ready = header.cards.filter(card => card.values);
  const seen = ready.flatMap(card => card.values[measure.key].filter((v, k) => v !== null && header.points[k] <= end + 1e-9));
  const low = Math.min(measure.low, ...seen), high = Math.min(measure.cap, Math.max(measure.high, ...seen));
  const x = at => LEFT + at / end * (width - LEFT - RIGHT), y = value => 8 + (high - Math.min(high, value)) / (high - low) * (height - 16);
  host.replaceChildren();
  const svg = shape(host, 'svg', {width, height, 'aria-hidden': 'true'});
  const span = high - low, step = span > 4 || span < .5 ? 10 ** Math.floor(Math.log10(span / 2)) : span > 2 ? 1 : span > 1.2 ? .5 : .25;
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9; v += step) {
    shape(svg, 'line', {class: Math.abs(v) < 1e-9 ? 'grid zero' : 'grid', x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v)});
    shape(svg, 'text', {class: 'tick', x: LEFT - 8, y: y(v) + 5, 'text-anchor': 'end'}, step < .1 || step > 9 ? +v.toPrecision(2) : +v.toFixed(2));
  }
  const clip = shape(shape(shape(svg, 'defs', {}), 'clipPath', {id: 'so-far'}), 'rect', {x: 0, y: 0, width: LEFT, height});
  const pale = shape(svg, 'g', {class: 'pale'}), strong = shape(svg, 'g', {'clip-path': 'url(#so-far)'});
  for (const card of ready) {
    let pen = 'M', d = '';
    header.points.forEach((point, k) => {
      const value = card.values[measure.key][k];
      if (value === null || point > end + 1e-9) { pen = 'M'; return; }
      d += `${pen}${x(point).toFixed(1)},${y(value).toFixed(1)}`; pen = 'L';
      shape(strong, 'circle', {cx: x(point), cy: y(value), r: 3, fill: card.colour});
    });
    shape(pale, 'path', {class: 'line', d, ...stroke(card)});
    shape(strong, 'path', {class: 'line', d, ...stroke(card)});
  }
  pale.style.display = state.whole ? '' : 'none';
  const cursor = shape(svg, 'line', {class: 'cursor', y1: 0, y2: height});
  const dots = ready.map(card => [card, shape(svg, 'circle', {class: 'point', r: 6, fill: card.colour})]);
  state.place = {x, y, clip, cursor, dots, pale};
  root.querySelector('.axis-title').textContent = seen.some(value => value > high) ? `${measure.axis} · drawn up to ${+high.toPrecision(2)}` : measure.axis;
  drawTicks(state, x, width);
}

function drawTicks(state, x, width) {
  const {header, root, end} = state, svg = root.querySelector('.ticks'), track = root.querySelector('.track');
  svg.replaceChildren(); track.replaceChildren();
  shape(track, 'rect', {class: 'groove', x: LEFT, y: 15, width: Math.max(0, width - LEFT - RIGHT), height: 8, rx: 4});
  state.fill = shape(track, 'rect', {class: 'fill', x: LEFT, y: 17, width: 0, height: 4, rx: 2});
  for (const point of header.points) if (point <= end + 1e-9) shape(track, 'circle', {class: 'dot', cx: x(point), cy: 19, r: 2});
  if (!header.names) {
    for (let i = 0; i <= 10; i += width < 560 ? 5 : 2) shape(svg, 'text', {class: 'tick', x: x(end * i / 10), y: 14, 'text-anchor': 'middle'}, percentTenths(end * i / 10));
    setTicks(state, svg, '1.25rem');
    return;
  }
  const slanted = width > 620, last = header.names.length - 1;
  const apart = Math.ceil(DIGITS * last / (x(last) - x(0))) || 1;   // so many steps from number to number
  header.names.forEach((name, k) => {
    if (slanted) shape(svg, 'text', {class: 'tick', 'text-anchor': 'end', transform: `translate(${x(k) + 4} 12) rotate(-28)`}, name);
    else if (k % apart === 0) shape(svg, 'text', {class: 'tick', x: x(k), y: 14, 'text-anchor': 'middle'}, k);
  });
  const {y, height} = svg.getBBox();
  setTicks(state, svg, slanted ? `${Math.min(112, Math.ceil(y + height))}px` : '1.25rem');
}

// In full screen the pictures leave room for what stands below the chart.
function setTicks(state, svg, height) {
  if (svg.style.height === height) return;
  svg.style.height = height;
  state.fit?.();
}

function moveCursor(state) {
  const {place, at, header, measure} = state, x = place.x(at);
  place.cursor.setAttribute('x1', x); place.cursor.setAttribute('x2', x);
  place.clip.setAttribute('width', x + .5);
  state.fill.setAttribute('width', Math.max(0, x - LEFT));
  for (const [card, dot] of place.dots) {
    const value = valueAt(header, card, measure.key, at);
    dot.style.display = value === null ? 'none' : '';
    if (value !== null) { dot.setAttribute('cx', x); dot.setAttribute('cy', place.y(value)); }
  }
}
