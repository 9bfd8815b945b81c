// Colours as a canvas holds them: one number a pixel.

const packed = (rgb, j) => 0xff000000 | (rgb[j + 2] << 16) | (rgb[j + 1] << 8) | rgb[j];

// Of red, green, blue, red, ...: a picture or a colour table.
const packedAll = rgb => Uint32Array.from({length: rgb.length / 3}, (_, i) => packed(rgb, 3 * i));

// The colour table as the strip of the legend.
function paintRamp(canvas, table) {
  const context = canvas.getContext('2d'), image = context.createImageData(table.length, 1);
  new Uint32Array(image.data.buffer).set(table);
  context.putImageData(image, 0, 0);
}
