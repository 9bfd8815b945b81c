// Maps and photos on canvases, curves as SVG.

const SHEETS = new WeakMap();

function paintPhoto(canvas, header, rgb) {
  const out = prepare(canvas, header);
  for (let i = 0, j = 0; i < out.pixels.length; i += 4, j += 3) {
    out.pixels[i] = rgb[j]; out.pixels[i + 1] = rgb[j + 1]; out.pixels[i + 2] = rgb[j + 2]; out.pixels[i + 3] = 255;
  }
  out.context.putImageData(out.image, 0, 0);
}

// Level by the cell's table, colour by the look-up table, photo shining through by `under` in [0, 1].
function paintMap(canvas, state, cell, under) {
  const {header, arrays, lut, colours} = state, rgb = arrays.get(header.images[cell.image].block.id), out = prepare(canvas, header), size = header.width * header.height;
  if (state.shades?.length !== size) state.shades = new Uint8Array(size);
  const shades = shadesOf(state, cell, state.shades);
  if (!under) for (let p = 0; p < size; p++) out.whole[p] = colours[shades[p]];
  else for (let p = 0, i = 0, j = 0; p < size; p++, i += 4, j += 3) {
    const at = 3 * shades[p];
    for (let c = 0; c < 3; c++) out.pixels[i + c] = lut[at + c] + under * (rgb[j + c] - lut[at + c]);
    out.pixels[i + 3] = 255;
  }
  out.context.putImageData(out.image, 0, 0);
}

function prepare(canvas, header) {
  if (canvas.width !== header.width || canvas.height !== header.height) { canvas.width = header.width; canvas.height = header.height; }
  canvas.classList.toggle('pixels', header.width <= 64);
  let out = SHEETS.get(canvas);
  if (out?.image.width !== header.width || out.image.height !== header.height) {
    const context = canvas.getContext('2d'), image = context.createImageData(header.width, header.height);
    SHEETS.set(canvas, out = {context, image, pixels: image.data, whole: new Uint32Array(image.data.buffer)});
  }
  return out;
}

function drawCurve(host, axis, curve) {
  const box = element('div', 'curve'), svg = shape(box, 'svg', {viewBox: '0 0 100 40', preserveAspectRatio: 'none'});
  const last = axis.x[axis.x.length - 1], x = v => 100 * v / last, y = v => 38.5 - 37 * Math.min(1, v);
  const line = axis.x.map((v, k) => `${k ? 'L' : 'M'}${x(v).toFixed(2)},${y(curve.y[k]).toFixed(2)}`).join('');
  for (const [name, d] of [['area', `${line}L100,38.5L0,38.5Z`], ['base', 'M0,38.5H100M0,1.5H100'], ['line', line]])
    shape(svg, 'path', {class: name, d});
  box.setAttribute('role', 'img');
  box.setAttribute('aria-label', `${axis.title}: ${curve.text}`);
  box.title = `${axis.title}. Across: ${axis.across}, 0 to ${percent(last)}. Up: ${axis.up}, 0 to 1.`;
  const caption = element('div', 'caption');
  caption.append(element('span', '', axis.short), element('strong', '', curve.text));
  host.append(box, caption);
}
