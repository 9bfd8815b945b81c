// The slider's track, its presets, and the linked curve that shares its horizontal axis.

const PAD = 13;   // half a thumb: the ends of the track

// Runs of levels whose answer differs from the original one, widened to half-way between levels.
function brokenZones(levels) {
  const zones = [];
  levels.forEach((level, k) => {
    if (level.answer === levels[0].answer) return;
    const from = (levels[k - 1].at + level.at) / 2, to = k + 1 < levels.length ? (levels[k + 1].at + level.at) / 2 : 1;
    const last = zones.at(-1);
    if (last && last.to === from) { last.to = to; last.answers.add(level.answer); }
    else zones.push({from, to, answers: new Set([level.answer])});
  });
  return zones;
}

function drawTrack(state) {
  const {header, root} = state, svg = root.querySelector('.track'), width = Math.max(svg.clientWidth, 2 * PAD), x = at => PAD + at * (width - 2 * PAD);
  svg.replaceChildren();
  shape(svg, 'rect', {class: 'groove', x: PAD, y: 15, width: Math.max(0, width - 2 * PAD), height: 8, rx: 4});
  if (header.quiet > 0) {
    shape(svg, 'rect', {class: 'quiet', x: PAD, y: 15, width: Math.max(0, x(header.quiet_at) - PAD), height: 8, rx: 4});
    shape(svg, 'line', {class: 'edge', x1: x(header.quiet_at), x2: x(header.quiet_at), y1: 9, y2: 29});
  }
  state.fill = shape(svg, 'rect', {class: 'fill', x: PAD, y: 17, width: 0, height: 4, rx: 2});
  for (const level of header.levels) shape(svg, 'circle', {class: 'dot', cx: x(level.at), cy: 19, r: 1.5});
  for (const mark of header.marks.filter(mark => mark.dials.includes(state.axis))) shape(svg, 'line', {class: 'mark', x1: x(header.levels[mark.level].at), x2: x(header.levels[mark.level].at), y1: 26, y2: 36});
}

// Preset buttons under their place on the track, in as many rows as keep them apart.
function layMarks(state) {
  const {header, root} = state, host = root.querySelector('.marks'), width = host.clientWidth, ends = [];
  for (const button of host.children) {
    button.hidden = !header.marks[+button.dataset.mark].dials.includes(state.axis);
    if (button.hidden) continue;
    const half = button.offsetWidth / 2, at = PAD + header.levels[+button.dataset.level].at * (width - 2 * PAD);
    const centre = Math.min(width - half, Math.max(half, at));
    let row = ends.findIndex(end => end + 4 <= centre - half);
    if (row < 0) row = ends.push(0) - 1;
    ends[row] = centre + half;
    button.style.left = `${centre - half}px`;
    button.style.top = `${row * 36}px`;
  }
  host.style.height = `${ends.length * 36}px`;
}

function buildMarks(state, jump) {
  const host = state.root.querySelector('.marks');
  host.replaceChildren(...state.header.marks.map((mark, k) => {
    const button = element('button', '', mark.label);
    button.type = 'button';
    button.title = mark.title;
    button.dataset.level = mark.level;
    button.dataset.mark = k;
    button.onclick = () => jump(mark.level);
    return button;
  }));
}

function drawCurve(state) {
  const {header, root} = state, {levels} = header, host = root.querySelector('.curve');
  const width = Math.max(host.clientWidth, 2 * PAD), top = 22, height = Math.max(host.clientHeight, top + 16), bottom = height - 16;
  const x = at => PAD + at * (width - 2 * PAD), y = value => bottom - Math.min(1, value) * (bottom - top);
  host.replaceChildren();
  const svg = shape(host, 'svg', {width, height, 'aria-hidden': 'true'});
  const pattern = shape(shape(svg, 'defs', {}), 'pattern', {id: 'hatch', width: 8, height: 8, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)'});
  shape(pattern, 'line', {class: 'hatch', x1: 0, y1: 0, x2: 0, y2: 8});
  if (header.quiet > 0) shape(svg, 'rect', {class: 'quiet', x: x(0), y: top, width: Math.max(0, x(header.quiet_at) - x(0)), height: bottom - top});
  for (const zone of brokenZones(levels)) {
    const from = x(zone.from), span = Math.max(0, x(zone.to) - from);
    shape(svg, 'rect', {class: 'broken', x: from, y: top, width: span, height: bottom - top});
    shape(svg, 'rect', {fill: 'url(#hatch)', x: from, y: top, width: span, height: bottom - top});
    for (const level of levels) if (level.at >= zone.from && level.at <= zone.to)
      shape(svg, 'path', {class: 'flip', d: `M${x(level.at) - 3.5},${bottom + 3}l7,7m0,-7l-7,7`});
    if (span > 90) shape(svg, 'text', {class: 'zone', x: Math.min(from + span / 2, width - PAD - 50), y: top + 17},
      zone.answers.size === 1 && span > 190 ? `now ${className(header, [...zone.answers][0])}` : 'answer breaks');
  }
  for (const value of [0, .5, 1]) {
    shape(svg, 'line', {class: 'grid', x1: PAD, x2: width - PAD, y1: y(value), y2: y(value)});
    shape(svg, 'text', {class: 'tick', x: width - PAD + 4, y: y(value) + 4}, value === 1 ? '1' : value ? '½' : '0');
  }
  const line = (name, value) => {
    const points = levels.map(level => [x(level.at), y(value(level))]);
    if (header.quiet_at) points.splice(1, 0, [x(0), points[1][1]]);          // a step, see around()
    shape(svg, 'path', {class: name, d: 'M' + points.map(point => point.map(v => v.toFixed(1)).join(',')).join('L')});
  };
  line('change', level => level.change);
  // Values have no scale of their own here: from the least to the largest of all levels.
  const numbers = levels.map(level => level.target_probability), least = Math.min(...numbers), most = Math.max(...numbers);
  const told = level => header.valued ? (most > least ? (level.target_probability - least) / (most - least) : .5) : level.target_probability;
  line('chance', told);
  state.allowed = shape(svg, 'line', {class: 'allowed', x1: PAD, x2: width - PAD, y1: 0, y2: 0});
  state.cursor = shape(svg, 'line', {class: 'cursor', x1: 0, x2: 0, y1: top - 4, y2: height});
  state.dots = ['change', 'chance'].map(name => shape(svg, 'circle', {class: `${name} point`, r: 5}));
  const key = element('div', 'key');
  for (const [name, text] of [['change', 'Output change'], ['chance', likelihood(header)],
    ...(brokenZones(levels).length ? [['flips', 'Another answer']] : [])]) {
    const item = element('span'), label = element('span', '', text);
    label.dataset.key = name;
    item.append(element('i', name), label); key.append(item);
  }
  host.append(key);
  state.place = {x, y, told};
}

function moveCursor(state, u, nearest) {
  const {header, place, cursor, dots, fill, allowed} = state, level = header.levels[nearest];
  const x = place.x(u), at = place.x(level.at);
  cursor.setAttribute('x1', x); cursor.setAttribute('x2', x);
  fill.setAttribute('width', Math.max(0, x - PAD));
  [level.change, place.told(level)].forEach((value, i) => { dots[i].setAttribute('cx', at); dots[i].setAttribute('cy', place.y(value)); });
  const show = state.axis === 'change';
  allowed.style.display = show ? '' : 'none';
  if (show) { const y = place.y(state.limit); allowed.setAttribute('y1', y); allowed.setAttribute('y2', y); }
}

// Film strip: one small map per fixed level.
function buildStrip(state, jump) {
  const {header, values, lut, frame, root} = state, size = header.width * header.height;
  root.querySelector('.strip').replaceChildren(...header.strip.map(level => {
    const button = element('button'), canvas = element('canvas');
    const now = header.levels[level], broken = now.answer !== header.levels[0].answer;
    canvas.width = header.width; canvas.height = header.height;
    const context = canvas.getContext('2d'), image = context.createImageData(header.width, header.height), out = new Uint32Array(image.data.buffer);
    for (let i = 0; i < size; i++) out[i] = lut[values[level * frame + i]];
    context.putImageData(image, 0, 0);
    canvas.classList.toggle('pixels', header.width <= 64);
    button.type = 'button';
    button.dataset.level = level;
    button.setAttribute('aria-label', `${percent(now.sparsity)} removed${broken ? `, answer ${className(header, now.answer)}` : ''}${now.peak === 0 ? ', zero map' : ''}`);
    button.onclick = () => jump(level);
    button.append(canvas, element('span', '', `${percent(now.sparsity)}${broken ? ' ✕' : ''}`));
    const zero = element('i', '', 'zero map');
    zero.ariaHidden = 'true';   // the label says it
    if (now.peak === 0) button.append(zero);
    return button;
  }));
}
