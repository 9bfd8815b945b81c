// Bytes from Python -> header, photos, maps: blocks the header points to, see blocks.js.

async function decodeGrid({header, blocks}, known) {
  const arrays = await inflateBlocks([...header.images, ...header.cells].filter(part => part.block).map(part => part.block), blocks, known.arrays);
  const tracks = await inflateBlocks(header.cells.filter(cell => cell.track).map(cell => cell.track.block), blocks, known.tracks);
  for (const codes of tracks.values()) if (!known.summed.has(codes)) { sumLevels(codes, header.width * header.height); known.summed.add(codes); }
  const lut = Uint8Array.from(header.lut);
  for (const part of header.cells.flatMap(cell => [cell, ...(cell.track?.levels ?? [])]))
    if (part.levels) part.table = Uint8Array.from(atob(part.levels), c => c.charCodeAt(0));
  return {header, arrays, tracks, lut, colours: packedAll(lut)};
}

// Code 1..255 -> value: the square root of |value| / peak is what was rounded, so that small values keep their digits.
function valueOfCode(peak, code) {
  const share = (code - 128) / 127;
  return Math.sign(share) * share * share * peak;
}
