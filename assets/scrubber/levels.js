// Codes and values of a map; the levels around a position of the track.

// Code 0..255 -> value in the units of the map; codes at either end may stand for anything beyond the clip.
function decodeValue(header, level, code) {
  const scale = header.levels[level].scale;
  return header.signed ? (code - 128) / 127 * scale : code / 255 * scale;
}

// Track position u in [0, 1] -> the two levels around it, the share of the second, the nearest level.
// Neurons of zero contribution all go at once: nothing lies between level 0 and the quiet share.
function around(levels, u, quiet) {
  let low = 0;
  while (low < levels.length - 2 && levels[low + 1].at <= u) low++;
  const high = Math.min(low + 1, levels.length - 1), gap = levels[high].at - levels[low].at;
  const linear = gap > 0 ? Math.min(1, Math.max(0, (u - levels[low].at) / gap)) : 0;
  const share = low === 0 && quiet ? +(linear > .25) : linear;
  return {low, high, share, nearest: share < .5 ? low : high};
}

// A level on the dial's scale: the share of all neurons that is gone, else of the contributing ones.
const shareOf = (level, dial) => dial === 'all' ? level.sparsity : level.contributing;

// The level closest to a share, by what is kept: 0.98 is far from 0.99. As levels.nearest in Python.
function nearestLevel(levels, share, dial) {
  const kept = gone => Math.log(Math.max(1 - gone, 1e-9)), away = level => Math.abs(kept(shareOf(level, dial)) - kept(share));
  return levels.reduce((best, level, k) => away(level) < away(levels[best]) ? k : best, 0);
}

// The level at which the output change first exceeds what is allowed; the last one where it never does.
function levelForChange(levels, allowed) {
  const found = levels.findIndex(level => level.change > allowed);
  return found < 0 ? levels.length - 1 : found;
}
