// Bytes from Python -> header, photos, maps: blocks the header points to, see blocks.js.

async function decodeGrid({header, blocks}, known) {
  const arrays = await inflateBlocks([...header.images, ...header.cells].filter(part => part.block).map(part => part.block), blocks, known);
  const lut = Uint8Array.from(header.lut);
  for (const cell of header.cells) if (cell.levels) cell.table = Uint8Array.from(atob(cell.levels), c => c.charCodeAt(0));
  return {header, arrays, lut};
}

// Code 1..255 -> value: the square root of |value| / peak is what was rounded, so that small values keep their digits.
function valueOf(cell, code) {
  const share = (code - 128) / 127;
  return Math.sign(share) * share * share * cell.peak;
}
