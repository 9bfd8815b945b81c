// A chart of a page in a file: lines, bands, bars, a heat map; values under the pointer and the arrow keys.

const STROKES = {solid: '', dash: '9 5', dot: '2.5 4', dashdot: '9 4 2.5 4', longdash: '15 6', longdashdot: '15 5 2.5 5'};
const CIVIDIS = [[0, 32, 77], [0, 52, 110], [57, 72, 107], [87, 93, 109], [112, 113, 115], [138, 134, 120], [166, 157, 117], [196, 181, 108], [228, 207, 91], [255, 234, 70]];

function cividis(share) {
  const at = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1), low = Math.min(CIVIDIS.length - 2, Math.floor(at));
  return `rgb(${CIVIDIS[low].map((value, i) => Math.round(value + (at - low) * (CIVIDIS[low + 1][i] - value)))})`;
}

// Round values within [low, high], about as many as asked for.
function roundValues(low, high, count, whole) {
  const rough = Math.max(whole ? 1 : 0, (high - low) / count), size = 10 ** Math.floor(Math.log10(rough)), step = size * ([1, 2, 5].find(one => one * size >= rough) ?? 10), found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(+(k * step).toPrecision(12));
  return found;
}

function decades(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const digit of [1, 2, 5]) if (digit * 10 ** power >= low * .999 && digit * 10 ** power <= high * 1.001) found.push(+(digit * 10 ** power).toPrecision(6));
  return found;
}

const tickText = (axis, value) => axis.names ? value : axis.percent ? `${+(100 * value).toPrecision(6)}\u202f%` : value.toLocaleString('en', {maximumSignificantDigits: 6});

// Value -> share of the axis, from its start.
function placed(axis) {
  if (axis.names) return value => (axis.names.indexOf(value) + .5) / axis.names.length;
  const [low, high] = axis.log ? axis.range.map(Math.log10) : axis.range;
  return value => ((axis.log ? Math.log10(value) : value) - low) / (high - low);
}

const chartTicks = (axis, room) => axis.names ? axis.names.filter((_, k) => k % Math.max(1, Math.ceil(axis.names.length / room)) === 0) : axis.log ? decades(...axis.range) : roundValues(...axis.range, room, axis.whole);

function buildChart(host, spec) {
  const box = element('div', 'chart'), legend = element('div', 'legend'), tip = element('div', 'tip');
  const state = {spec, box, tip, gone: new Set(), at: -1};
  host.append(box);
  box.append(legend, element('p', 'name', spec.y.title));
  state.svg = shape(box, 'svg', {height: spec.height, role: 'img', tabindex: 0, 'aria-label': spec.alt});
  box.append(tip);
  tip.hidden = true;
  for (const one of spec.series.filter(one => one.legend)) {
    const button = element('button'), swatch = shape(button, 'svg', {width: 30, height: 10, 'aria-hidden': 'true'});
    swatch.style.width = '30px';
    shape(swatch, 'line', {x1: 1, x2: 29, y1: 5, y2: 5, stroke: one.colour, 'stroke-width': one.kind === 'bar' ? 9 : 3, 'stroke-dasharray': STROKES[one.dash] ?? ''});
    button.append(one.name);
    button.type = 'button';
    button.setAttribute('aria-pressed', 'true');
    button.onclick = () => {
      const seen = state.gone.delete(one.group) || !state.gone.add(one.group);
      button.setAttribute('aria-pressed', String(seen));
      layChart(state);
    };
    legend.append(button);
  }
  state.svg.addEventListener('pointermove', event => aimAt(state, nearestPoint(state, event)));
  state.svg.addEventListener('pointerleave', () => aimAt(state, -1));
  state.svg.addEventListener('keydown', event => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step || !state.points.length) return;
    event.preventDefault();
    aimAt(state, (state.at + step + state.points.length) % state.points.length);
  });
  state.svg.addEventListener('blur', () => aimAt(state, -1));
  new ResizeObserver(() => { if (state.width !== box.clientWidth) layChart(state); }).observe(box);
}

function nearestPoint({points, svg}, {clientX, clientY}) {
  const frame = svg.getBoundingClientRect(), x = clientX - frame.left, y = clientY - frame.top;
  let best = -1, least = 40 ** 2;
  points.forEach((point, k) => {
    const away = Math.max(0, Math.abs(point.x - x) - (point.w ?? 0)) ** 2 + Math.max(0, Math.abs(point.y - y) - (point.h ?? 0)) ** 2;
    if (away < least) { least = away; best = k; }
  });
  return best;
}

function aimAt(state, at) {
  const {tip, points, aim} = state, point = points[at];
  state.at = at;
  tip.hidden = !point;
  aim.style.display = point ? '' : 'none';
  if (!point) return;
  tip.textContent = point.text;
  aim.setAttribute('cx', point.x); aim.setAttribute('cy', point.y);
  tip.style.left = `${Math.max(0, Math.min(state.width - tip.offsetWidth - 8, point.x + 14))}px`;
  tip.style.top = `${state.svg.offsetTop + point.y + 14}px`;
}

function layChart(state) {
  const {spec, svg, box} = state, width = state.width = box.clientWidth;
  if (!width) return;
  const longest = names => Math.max(...names.map(name => String(name).length));
  const rows = chartTicks(spec.y, spec.y.names ? 99 : Math.max(3, spec.height / 70)), slant = spec.x.names && longest(spec.x.names) * 8 * spec.x.names.length > width - 120;
  const left = Math.min(width * .42, 30 + 7.2 * longest(rows.map(value => tickText(spec.y, value))));
  const below = 44 + (slant ? Math.min(110, 5.2 * longest(spec.x.names)) : 0), inner = width - left - 30, high = spec.height - below - 22;
  const px = value => left + placed(spec.x)(value) * inner, py = value => 14 + (spec.y.reversed ? placed(spec.y)(value) : 1 - placed(spec.y)(value)) * high;
  svg.replaceChildren();
  state.points = [];
  for (const value of rows) {
    if (!spec.y.names) shape(svg, 'line', {class: 'grid', x1: left, x2: left + inner, y1: py(value), y2: py(value)});
    const text = tickText(spec.y, value), room = Math.floor((left - 14) / 7);
    shape(svg, 'text', {class: 'tick', x: left - 8, y: py(value) + 5, 'text-anchor': 'end'}, text.length > room ? `${text.slice(0, room - 1)}…` : text);
  }
  for (const value of chartTicks(spec.x, spec.x.names ? (slant ? inner / 22 : 99) : inner / 80)) {
    if (!spec.x.names) shape(svg, 'line', {class: 'grid', x1: px(value), x2: px(value), y1: 14, y2: 14 + high});
    shape(svg, 'text', {class: 'tick', 'text-anchor': slant ? 'end' : 'middle', transform: `translate(${px(value)} ${high + 32})${slant ? ' rotate(-35)' : ''}`}, tickText(spec.x, value));
  }
  shape(svg, 'text', {class: 'name', x: left + inner, y: spec.height - 4, 'text-anchor': 'end'}, spec.x.title);
  for (const mark of spec.marks) {
    const ends = mark.axis === 'x' ? {x1: px(mark.at), x2: px(mark.at), y1: 14, y2: 14 + high} : {x1: left, x2: left + inner, y1: py(mark.at), y2: py(mark.at)};
    shape(svg, 'line', {class: 'mark', stroke: mark.colour, 'stroke-width': 2, 'stroke-dasharray': STROKES[mark.dash] ?? '', ...ends});
  }
  for (const one of spec.series) if (!state.gone.has(one.group)) ({line: drawLine, band: drawBand, bar: drawBars, heat: drawHeat})[one.kind](state, one, px, py, {inner, high});
  for (const note of spec.notes) shape(svg, 'text', {class: 'written', fill: note.colour, x: Math.min(px(note.x), left + inner - 20), y: note.y === null ? 10 : py(note.y) + 5, 'text-anchor': 'middle', style: note.colour ? `fill: ${note.colour}` : ''}, note.text);
  state.aim = shape(svg, 'circle', {class: 'aim', r: 8});
  aimAt(state, -1);
}

function drawLine(state, one, px, py) {
  let pen = 'M', d = '';
  one.x.forEach((value, k) => {
    if (one.y[k] === null || value === null) { pen = 'M'; return; }
    const x = px(value), y = py(one.y[k]);
    d += `${pen}${x.toFixed(1)},${y.toFixed(1)}`; pen = 'L';
    if (one.errors) shape(state.svg, 'line', {x1: x, x2: x, y1: py(one.y[k] - one.errors[k]), y2: py(one.y[k] + one.errors[k]), stroke: one.colour, 'stroke-width': 1.5});
    if (one.dots) shape(state.svg, 'circle', {cx: x, cy: y, r: 4, fill: one.hollow ? 'none' : one.colour, stroke: one.colour, 'stroke-width': one.hollow ? 3 : 0});
    if (one.said[k]) shape(state.svg, 'text', {class: 'written', x: x + 8, y: y - 8}, one.said[k]);
    if (one.tips[k]) state.points.push({x, y, text: one.tips[k]});
  });
  if (one.lines) state.svg.insertBefore(shape(state.svg, 'path', {class: 'curve', d, stroke: one.colour, 'stroke-width': one.width, 'stroke-dasharray': STROKES[one.dash] ?? '', opacity: one.opacity}), null);
}

function drawBand(state, one, px, py) {
  const known = one.x.map((value, k) => [value, one.y[k]]).filter(([value, y]) => value !== null && y !== null);
  if (known.length) shape(state.svg, 'path', {d: `M${known.map(([value, y]) => `${px(value).toFixed(1)},${py(y).toFixed(1)}`).join('L')}Z`, fill: one.colour, opacity: one.opacity});
}

// Bars of one place stand side by side, or begin where the one before ended.
function drawBars(state, one, px, py, {inner, high}) {
  const {spec} = state, shown = spec.series.filter(other => other.kind === 'bar' && !state.gone.has(other.group)), along = one.across ? spec.y : spec.x;
  const count = along.names ? along.names.length : Math.max(1, along.range[1] - along.range[0]), room = (one.across ? high : inner) / count * .72;
  const thick = spec.stacked ? room : room / shown.length, rank = spec.stacked ? 0 : shown.indexOf(one);
  (one.across ? one.y : one.x).forEach((name, k) => {
    const value = (one.across ? one.x : one.y)[k];
    if (value === null) return;
    const before = spec.stacked ? shown.slice(0, shown.indexOf(one)).reduce((sum, other) => sum + ((other.across ? other.x : other.y)[k] ?? 0), 0) : 0;
    const middle = (one.across ? py : px)(name) - room / 2 + thick * (rank + .5), [from, to] = [before, before + value].map(one.across ? px : py);
    const x = one.across ? Math.min(from, to) : middle - thick / 2, y = one.across ? middle - thick / 2 : Math.min(from, to), long = Math.abs(to - from);
    shape(state.svg, 'rect', {x, y, width: Math.max(.5, one.across ? long : thick * .92), height: Math.max(.5, one.across ? thick * .92 : long), fill: one.colours?.[k] ?? one.colour, opacity: one.opacities?.[k] ?? one.opacity});
    const end = one.across ? {x: to, y: middle} : {x: middle, y: to};
    if (one.errors?.[k]) {
      const [low, top] = [-1, 1].map(sign => (one.across ? px : py)(value + sign * one.errors[k]));
      shape(state.svg, 'line', {...one.across ? {x1: low, x2: top, y1: middle, y2: middle} : {x1: middle, x2: middle, y1: low, y2: top}, stroke: 'currentColor', 'stroke-width': 1.5});
    }
    if (one.said[k]) shape(state.svg, 'text', {class: 'written', x: end.x + 6, y: end.y + 5}, one.said[k]);
    if (one.tips[k]) state.points.push({...end, text: one.tips[k], w: one.across ? long : thick / 2, h: one.across ? thick / 2 : long});
  });
}

function drawHeat(state, one, px, py, {inner, high}) {
  const [low, top] = one.ends, wide = inner / one.x.length, tall = high / one.y.length;
  one.z.forEach((row, i) => row.forEach((value, j) => {
    if (value === null) return;
    const x = px(one.x[j]), y = py(one.y[i]);
    shape(state.svg, 'rect', {x: x - wide / 2 + 1, y: y - tall / 2 + 1, width: Math.max(0, wide - 2), height: Math.max(0, tall - 2), fill: cividis((value - low) / (top - low))});
    state.points.push({x, y, text: one.tips[i][j], w: wide / 2, h: tall / 2});
  }));
}
