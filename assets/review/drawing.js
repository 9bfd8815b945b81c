// Maps, pictures, outlines and markers on one canvas and one SVG a cell.

// The picture lies in four planes: red, green, blue, and 255 inside the mask of the class explained.
const photoOf = (state, row) => {
  const size = 4 * state.header.width * state.header.height;
  return state.rgb.subarray(row * size, (row + 1) * size);
};

// Edges between inside and outside, as one path in pixel units.
function outline(photo, width, height) {
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && photo[4 * (y * width + x) + 3] > 127;
  let path = '';
  for (let y = 0; y <= height; y++) for (let x = 0; x <= width; x++) {
    if (inside(x, y) !== inside(x, y - 1)) path += `M${x},${y}h1`;
    if (inside(x, y) !== inside(x - 1, y)) path += `M${x},${y}v1`;
  }
  return path;
}

function makeFrame(state, words, path) {
  const {width, height} = state.header, box = element('div', 'frame'), canvas = element('canvas');
  canvas.width = width; canvas.height = height;
  canvas.classList.toggle('pixels', width <= 64);
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', words);
  box.append(canvas);
  const over = shape(box, 'svg', {viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true'});
  if (path) {
    shape(over, 'path', {class: 'edge under', d: path});
    shape(over, 'path', {class: 'edge', d: path});
  }
  const r = Math.max(2, width / 28), peak = shape(over, 'g', {class: 'peak'});
  for (const name of ['halo', 'ring']) shape(peak, 'circle', {class: name, r});
  for (const name of ['halo cross', 'ring cross']) shape(peak, 'path', {class: name, d: `M${-r},${-r}L${r},${r}M${-r},${r}L${r},${-r}`});
  return {box, canvas, context: canvas.getContext('2d'), image: new ImageData(width, height), over, peak, label: box.appendChild(element('span', 'whose'))};
}

function paintPhoto(frame, photo) {
  const out = frame.image.data;
  for (let i = 0; i < out.length; i += 4) { out[i] = photo[i]; out[i + 1] = photo[i + 1]; out[i + 2] = photo[i + 2]; out[i + 3] = 255; }
  frame.context.putImageData(frame.image, 0, 0);
  frame.peak.style.display = 'none';
}

// Codes of one map at a position between two levels.
function blended(state, cell) {
  const {values, frame: size, level} = state, low = Math.floor(level), high = Math.min(low + 1, cell.levels - 1), share = level - low;
  const a = values.subarray((cell.block + Math.min(low, cell.levels - 1)) * size), b = values.subarray((cell.block + high) * size);
  return share ? i => a[i] + (b[i] - a[i]) * share : i => a[i];
}

function drawAll(state) {
  const {header, root} = state;
  if (!header) return;
  const near = Math.round(state.level), between = Math.abs(state.level - near) > .01, slider = root.querySelector('.slider');
  root.querySelector('.reading').textContent = header.levels[near].words + (between ? ' (interpolated)' : '');
  slider.setAttribute('aria-valuetext', header.levels[near].words);
  for (const view of state.views) drawCell(state, view, near);
  root.querySelector('.review').dataset.level = near;
}

function drawCell(state, view, near) {
  const {width} = state.header, {frame, cell, teacher, row} = view, photo = photoOf(state, row), out = frame.image.data;
  const compared = teacher && teacher !== cell && teacher.state === 'ready';
  const flipped = compared && state.mode === 'flicker' && state.flip, wiped = compared && state.mode === 'swipe';
  const own = blended(state, flipped ? teacher : cell), other = wiped ? blended(state, teacher) : own;
  const edge = wiped ? Math.round(state.wipe * width) : 0, under = state.under, lut = state.lut;
  for (let i = 0, p = 0; i < out.length; i += 4, p++) {
    const colour = lut[Math.round(p % width < edge ? other(p) : own(p))];
    const r = colour & 255, g = (colour >> 8) & 255, b = (colour >> 16) & 255;
    out[i] = r + under * (photo[i] - r); out[i + 1] = g + under * (photo[i + 1] - g); out[i + 2] = b + under * (photo[i + 2] - b); out[i + 3] = 255;
  }
  frame.context.putImageData(frame.image, 0, 0);
  frame.box.style.setProperty('--wipe', wiped ? state.wipe : '');
  frame.box.classList.toggle('wiped', wiped);
  frame.label.textContent = flipped ? 'Teacher' : '';
  const shown = flipped ? teacher : cell, at = Math.min(near, shown.levels - 1), [x, y] = shown.peak[at];
  frame.canvas.setAttribute('aria-label', `${flipped ? 'Teacher' : view.title}. ${shown.words[at]}`);
  frame.peak.style.display = shown.flat[at] ? 'none' : '';
  frame.peak.setAttribute('transform', `translate(${x + .5},${y + .5})`);
  frame.peak.classList.toggle('out', shown.point !== null && shown.point[at] < .5);
  writeNumbers(view, Math.min(near, cell.levels - 1));
}
