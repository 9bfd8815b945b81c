// Radio buttons, full screen, and what runs by itself.

const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

// Arrow keys walk round the group and choose, as they do among a browser's own radio buttons.
function walkRadios(radios) {
  for (const radio of radios) radio.onkeydown = event => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step) return;
    event.preventDefault(); event.stopPropagation();
    const next = radios[(radios.indexOf(radio) + step + radios.length) % radios.length];
    next.focus(); next.click();
  };
}

function markRadios(radios, isChosen) {
  for (const radio of radios) {
    radio.setAttribute('aria-checked', String(isChosen(radio)));
    radio.tabIndex = isChosen(radio) ? 0 : -1;
  }
}

// The slider has the keys at once: before a class nobody looks for it with the pointer.
// A browser refuses in a frame of another page, and while it is still at the last change.
function presentsFull(button, section, slider) {
  const asked = () => document.fullscreenElement ? document.exitFullscreen() : section.requestFullscreen?.().then(() => slider?.focus());
  button.onclick = () => asked()?.catch(() => {});
}

function showPlaying(button, playing, idle = 'Play') {
  button.setAttribute('aria-pressed', String(playing));
  button.textContent = playing ? '❚❚ Pause' : `▶ ${idle}`;
}

// Moves a position from `at` to end() by itself, in `points` where motion is unwanted; returns what halts it.
function playThrough({root, at, end, points, seconds, stepwise = calm(), move, done}) {
  let timer, last = performance.now();
  if (stepwise) {
    timer = setInterval(() => {
      const next = points.find(point => point > at + 1e-9);
      if (next !== undefined && root.isConnected) move(at = next);
      if (!root.isConnected || !points.some(point => point > at + 1e-9)) done();  // with the last step: a reload must find it
    }, 700);
    return () => clearInterval(timer);
  }
  const step = now => {
    at = Math.min(end(), at + (now - last) / 1000 / seconds * end()); last = now;
    if (!root.isConnected) return;
    move(at);
    if (at >= end()) done();
    else timer = requestAnimationFrame(step);
  };
  timer = requestAnimationFrame(step);
  return () => cancelAnimationFrame(timer);
}
