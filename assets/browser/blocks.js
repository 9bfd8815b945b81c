// Bytes from Python -> header and arrays. Layout: uint32 header length, JSON header, zlib blocks.

const inflate = async bytes =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer());

function openFrame(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  return {header: JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))), blocks: bytes.subarray(4 + length)};
}

// Undo the steps from level to level, in place.
function sumLevels(values, frame) {
  for (let i = frame; i < values.length; i++) values[i] = (values[i] + values[i - frame]) & 255;
}

// Arrays by block id; those unpacked for an earlier payload (`known`) are not unpacked again, unused ones are dropped.
async function inflateBlocks(wanted, blocks, known) {
  const arrays = await Promise.all(wanted.map(({id, start, length}) => known.get(id) ?? inflate(blocks.subarray(start, start + length))));
  known.clear();
  wanted.forEach(({id}, i) => known.set(id, arrays[i]));
  return known;
}
