// Canvases of picture, map and overlay, drawn together; zoom, pan and the value under the pointer.

function buildPanels(state, host) {
  const {header} = state;
  host.replaceChildren();
  const first = host.parentElement.style;   // how many stand side by side, and how wide for their height
  first.setProperty('--panels', header.planes === 1 ? 3 : header.planes + 1);
  first.setProperty('--ratio', header.width / header.height);
  const maps = header.plane_names.map(name => addPanel(state, host, name, 'map'));
  const photo = addPanel(state, host, 'Picture', 'photo');
  host.prepend(photo.figure);
  const overlay = header.planes === 1 ? addPanel(state, host, 'Overlay', 'overlay') : null;
  state.panels = {photo, maps, overlay, all: [photo, ...maps, ...(overlay ? [overlay] : [])]};
  state.view = {zoom: 1, x: .5, y: .5};
  photo.pixels.set(packedAll(state.rgb));
  photo.context.putImageData(photo.image, 0, 0);
  photo.canvas.setAttribute('aria-label', header.picture);
  applyView(state);
}

function addPanel(state, host, title, kind) {
  const {header} = state, figure = element('figure'), frame = element('div', 'frame'), canvas = element('canvas');
  frame.tabIndex = 0;
  frame.style.aspectRatio = `${header.width} / ${header.height}`;
  frame.setAttribute('role', 'group');
  frame.setAttribute('aria-label', `${title}: plus and minus zoom, arrows move, 0 resets; Ctrl and wheel zooms too`);
  canvas.width = header.width; canvas.height = header.height;
  canvas.setAttribute('role', 'img');
  canvas.dataset.panel = kind;
  const cross = element('i', 'cross'), readout = element('output', 'readout');
  frame.append(canvas, cross, readout); figure.append(element('figcaption', '', title), frame); host.append(figure);
  const context = canvas.getContext('2d'), image = context.createImageData(header.width, header.height);
  const panel = {figure, frame, canvas, cross, readout, context, image, pixels: new Uint32Array(image.data.buffer), title};
  listen(state, panel);
  return panel;
}

// One pass over the pixels per plane: blend two levels, colour, and lay over the photo by strength of the value.
function drawPanels(state, {low, high, share}) {
  const {header, values, lut, frame, panels, alpha, rgb} = state, size = header.width * header.height;
  const weight = Math.round(share * 256);
  panels.maps.forEach((panel, plane) => {
    const a = low * frame + plane * size, b = high * frame + plane * size, out = panel.pixels;
    const over = panels.overlay?.pixels;
    for (let i = 0; i < size; i++) {
      const first = values[a + i], code = first + (((values[b + i] - first) * weight) >> 8), colour = lut[code];
      out[i] = colour;
      if (over) {
        const k = alpha[code], j = 3 * i;
        const r = rgb[j] + (((colour & 255) - rgb[j]) * k >> 8);
        const g = rgb[j + 1] + (((colour >> 8 & 255) - rgb[j + 1]) * k >> 8);
        const u = rgb[j + 2] + (((colour >> 16 & 255) - rgb[j + 2]) * k >> 8);
        over[i] = 0xff000000 | (u << 16) | (g << 8) | r;
      }
    }
    panel.context.putImageData(panel.image, 0, 0);
  });
  panels.overlay?.context.putImageData(panels.overlay.image, 0, 0);
}

// Opacity of each code in the overlay, 0..256: a weak value lets the picture through.
function overlayAlpha(header, opacity) {
  return Uint16Array.from({length: 256}, (_, code) => {
    const strength = header.signed ? Math.min(1, Math.abs(code - 128) / 127) : code / 255;
    return Math.round(256 * opacity * strength ** .8);
  });
}

function applyView(state) {
  const {view, panels, header} = state, half = .5 / view.zoom;
  view.x = Math.min(1 - half, Math.max(half, view.x));
  view.y = Math.min(1 - half, Math.max(half, view.y));
  for (const {canvas, frame} of panels.all) {
    canvas.style.transform = `scale(${view.zoom}) translate(${(.5 - view.x) * 100}%, ${(.5 - view.y) * 100}%)`;
    canvas.classList.toggle('pixels', view.zoom > 1.5 || header.width <= 64);
    frame.classList.toggle('zoomed', view.zoom > 1);
  }
  state.onView?.(view.zoom);
}

function zoomBy(state, factor, x = state.view.x, y = state.view.y) {
  const {view} = state, zoom = Math.min(16, Math.max(1, view.zoom * factor));
  // Keep the point under the pointer where it is.
  view.x = x + (view.x - x) * view.zoom / zoom;
  view.y = y + (view.y - y) * view.zoom / zoom;
  view.zoom = zoom;
  applyView(state);
}

function pointIn(state, panel, event) {
  const box = panel.frame.getBoundingClientRect(), {view} = state;
  return {x: view.x + ((event.clientX - box.left) / box.width - .5) / view.zoom,
    y: view.y + ((event.clientY - box.top) / box.height - .5) / view.zoom, box};
}

function listen(state, panel) {
  const {frame} = panel, touches = new Map();
  frame.addEventListener('wheel', event => {
    // A plain wheel scrolls the page; ctrl, a pinch on a touchpad, or a focused panel zooms.
    if (!event.ctrlKey && !event.metaKey && frame.getRootNode().activeElement !== frame) return;
    event.preventDefault();
    const {x, y} = pointIn(state, panel, event);
    zoomBy(state, Math.exp(-event.deltaY / 300), x, y);
  }, {passive: false});
  frame.addEventListener('pointerdown', event => {
    touches.set(event.pointerId, event);
    if (state.view.zoom > 1) frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener('pointermove', event => {
    const before = touches.get(event.pointerId), {x, y, box} = pointIn(state, panel, event);
    if (before && touches.size === 2) {
      const other = [...touches.values()].find(touch => touch.pointerId !== event.pointerId);
      const distance = touch => Math.hypot(touch.clientX - other.clientX, touch.clientY - other.clientY);
      zoomBy(state, distance(event) / Math.max(1, distance(before)), x, y);
    } else if (before && state.view.zoom > 1) {
      state.view.x -= (event.clientX - before.clientX) / box.width / state.view.zoom;
      state.view.y -= (event.clientY - before.clientY) / box.height / state.view.zoom;
      applyView(state);
    }
    if (before) touches.set(event.pointerId, event);
    state.pixel = {panel, x: Math.floor(x * state.header.width), y: Math.floor(y * state.header.height)};
    showPixel(state);
  });
  for (const name of ['pointerup', 'pointercancel']) frame.addEventListener(name, event => touches.delete(event.pointerId));
  frame.addEventListener('pointerleave', () => { state.pixel = null; showPixel(state); });
  frame.addEventListener('dblclick', event => {
    const {x, y} = pointIn(state, panel, event);
    zoomBy(state, state.view.zoom > 1 ? 0 : 3, x, y);
  });
  frame.addEventListener('keydown', event => {
    const step = .15 / state.view.zoom, {view} = state;
    const act = {'+': () => zoomBy(state, 1.5), '=': () => zoomBy(state, 1.5), '-': () => zoomBy(state, 1 / 1.5), '0': () => zoomBy(state, 0),
      ArrowLeft: () => view.x -= step, ArrowRight: () => view.x += step, ArrowUp: () => view.y -= step, ArrowDown: () => view.y += step}[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    event.preventDefault(); act(); applyView(state);
  });
}

// The signed value under the pointer, of the nearest real level, the same pixel marked in every panel.
function showPixel(state) {
  const {pixel, header, panels, view, level, values, frame} = state, {width: w, height: h} = header;
  const inside = pixel && pixel.x >= 0 && pixel.y >= 0 && pixel.x < w && pixel.y < h;
  for (const {cross, readout} of panels.all) {
    readout.textContent = '';
    cross.hidden = !inside;
    if (!inside) continue;
    cross.style.left = `${(((pixel.x + .5) / w - view.x) * view.zoom + .5) * 100}%`;
    cross.style.top = `${(((pixel.y + .5) / h - view.y) * view.zoom + .5) * 100}%`;
    cross.style.width = `${view.zoom / w * 100}%`;
  }
  if (!inside) return;
  const text = header.plane_names.map((name, plane) => {
    const code = values[level * frame + (plane * h + pixel.y) * w + pixel.x];
    const beyond = code === 255 || (header.signed && code <= 1) ? 'beyond ' : '';
    const value = decodeValue(header, level, code);
    return `${header.planes > 1 ? `${name} ` : ''}${beyond}${header.signed ? signedNumber(value) : amount(value)}`;
  }).join(', ');
  pixel.panel.readout.textContent = `${text} at ${pixel.x}, ${pixel.y}`;
}
