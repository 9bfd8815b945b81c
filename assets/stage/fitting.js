// In full screen cards are as large as the window allows, and none of them has to be scrolled to.

const PROBE = 48, LEAST = 64;   // px: a picture to measure with, and one that is still worth a look

const scaleOf = section => section.currentCSSZoom ?? 1;
const sizeOf = (node, name) => parseFloat(getComputedStyle(node)[name]) || 0;
const roomIn = section => section.clientHeight - sizeOf(section, 'paddingTop') - sizeOf(section, 'paddingBottom');

// A phone has a layout of its own; it scrolls.
const isWall = section => section.matches(':fullscreen') && matchMedia('(min-width: 600px) and (min-height: 481px)').matches;

function unfit(section) {
  for (const name of ['--beside', '--map', '--wide']) section.style.removeProperty(name);
  for (const name of ['fitted', 'told']) delete section.dataset[name];
}

// Lays out anew when the section enters or leaves full screen and when the window changes; returns how to ask for it.
function keepFitted(section, host, fit) {
  const again = () => {
    const wall = isWall(section);
    if (!wall && !('fitted' in section.dataset)) return;   // the page lays itself out
    const read = host.scrollTop;
    unfit(section);
    if (wall) fit(section, host);
    host.scrollTop = read;
  };
  section.addEventListener('fullscreenchange', again);
  new ResizeObserver(again).observe(section);
  // A sentence that has become longer takes its room from the pictures.
  const grown = new ResizeObserver(() => { if (section.dataset.fitted === 'whole' && section.scrollHeight > section.clientHeight + 1) again(); });
  for (const part of section.children) grown.observe(part);
  return again;
}

// So many cards side by side that their pictures are largest with nothing left to scroll to; of what `tells` can
// say of a card, the first that leaves the pictures most of their size. Without room for all of them: as on the page.
function fitCards(section, host, tells) {
  if (!host.children.length) return;
  section.dataset.fitted = 'probe';
  const tried = tells.map(told => ({told, ...largest(section, host, told)})), most = Math.max(...tried.map(({map}) => map));
  const {told, beside, map} = tried.find(({map}) => map >= .7 * most);
  if (most < LEAST) { unfit(section); return; }
  section.dataset.fitted = 'whole';
  for (let spare = 0; spare <= 16; spare += 4) {   // a line more in a narrower place
    lay(section, told, beside, map - spare);
    if (heightOf(section) <= roomIn(section) + .5) break;
  }
}

function lay(section, told, beside, map) {
  section.dataset.told = told;
  section.style.setProperty('--beside', beside);
  section.style.setProperty('--map', `${map}px`);
}

function largest(section, host, told) {
  const cards = [...host.children], frame = cards[0].querySelector('.frame, .hole'), edge = ['paddingLeft', 'paddingRight', 'borderLeftWidth', 'borderRightWidth'].reduce((sum, name) => sum + sizeOf(cards[0], name), 0);
  let best = {map: 0, beside: 1};
  for (let beside = 1; beside <= cards.length; beside++) {
    const rows = Math.ceil(cards.length / beside), across = (host.clientWidth - sizeOf(host, 'columnGap') * (beside - 1)) / beside - edge;
    if (across <= Math.max(best.map, PROBE)) break;
    if (roomIn(section) / rows <= best.map) continue;
    lay(section, told, beside, PROBE);
    const map = Math.floor(Math.min(across, PROBE + (roomIn(section) - heightOf(section)) / rows * frame.offsetWidth / frame.offsetHeight));
    if (map > best.map) best = {map, beside};
  }
  return best;
}

// Of all that the section holds, with its pictures as large as they are now.
function heightOf(section) {
  const boxes = [...section.children].map(node => node.getBoundingClientRect()).filter(box => box.height);
  return (Math.max(...boxes.map(box => box.bottom)) - Math.min(...boxes.map(box => box.top))) / scaleOf(section);
}

// A table of several pictures scrolls; its first row of maps stands whole before anybody does.
function fitTable(section, table) {
  const map = table.querySelector('button.frame, .hole');
  if (!map) return;
  section.dataset.fitted = 'table';
  section.style.setProperty('--wide', `${PROBE}px`);
  const below = (map.getBoundingClientRect().bottom - section.getBoundingClientRect().top) / scaleOf(section) + table.scrollTop + section.scrollTop;
  const room = section.clientHeight - sizeOf(section, 'paddingBottom') - below;
  section.style.setProperty('--wide', `${Math.max(LEAST, Math.floor(PROBE + room * map.offsetWidth / map.offsetHeight))}px`);
}
