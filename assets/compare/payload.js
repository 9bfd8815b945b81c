// Bytes from Python -> header, photos, maps. Layout: uint32 header length, JSON header, zlib blocks the header points to.

const inflated = async bytes =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer());

function openGrid(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return {header, blocks: bytes.subarray(4 + length)};
}

// Maps that were unpacked for an earlier payload are not unpacked again.
async function decodeGrid({header, blocks}, known) {
  const wanted = [...header.images, ...header.cells].filter(part => part.block);
  const arrays = await Promise.all(wanted.map(({block}) =>
    known.get(block.id) ?? inflated(blocks.subarray(block.start, block.start + block.length))));
  known.clear();
  wanted.forEach(({block}, i) => known.set(block.id, arrays[i]));
  const lut = Uint8Array.from(header.lut);
  for (const cell of header.cells) if (cell.levels) cell.table = Uint8Array.from(atob(cell.levels), c => c.charCodeAt(0));
  return {header, arrays: known, lut};
}

// Code 1..255 -> value: the square root of |value| / peak is what was rounded, so that small values keep their digits.
function valueOf(cell, code) {
  const share = (code - 128) / 127;
  return Math.sign(share) * share * share * cell.peak;
}
