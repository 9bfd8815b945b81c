// Bytes from Python -> header, maps, photo: two blocks after the header, see blocks.js.

function openPayload(bytes) {
  const {header, blocks} = openFrame(bytes);
  return {header, maps: blocks.subarray(0, header.map_bytes), photo: blocks.subarray(header.map_bytes)};
}

async function decodePayload({header, maps, photo}) {
  const frame = header.planes * header.height * header.width;
  const [values, rgb] = await Promise.all([inflate(maps), inflate(photo)]);
  for (let i = frame; i < values.length; i++) values[i] = (values[i] + values[i - frame]) & 255;   // undo the delta
  const packed = rgb => 0xff000000 | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0];
  const lut = Uint32Array.from({length: 256}, (_, i) => packed(header.lut.slice(3 * i, 3 * i + 3)));
  return {header, values, rgb, lut, frame};
}

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

// The level at which the output change first exceeds what is allowed; the last one where it never does.
function levelForChange(levels, allowed) {
  const found = levels.findIndex(level => level.change > allowed);
  return found < 0 ? levels.length - 1 : found;
}
