// Bytes from Python -> header, maps level by level, photo pixel by pixel: two blocks after the header, see blocks.js.

function openSweep(bytes) {
  const {header, blocks} = openFrame(bytes);
  return {header, maps: blocks.subarray(0, header.map_bytes), photo: blocks.subarray(header.map_bytes)};
}

async function decodeSweep({header, maps, photo}) {
  const frame = header.planes * header.height * header.width;
  const [values, rgb] = await Promise.all([inflate(maps), inflate(photo)]);
  sumLevels(values, frame);
  sumLevels(rgb, header.photo_channels ?? 3);  // the review has a fourth: the mask
  return {header, values, rgb, lut: packedAll(header.lut), frame};
}
