// Pixel removal: a pixel is missing when its rank is below the number that has gone.

const PAINTER = {
  prepare(state) {
    const {header, arrays} = state;
    state.photo = packedAll(arrays.get(header.photo.id));
    state.lut = packedAll(header.lut);
    for (const card of header.cards) {
      if (!card.values) continue;
      const [rank, fills] = card.blocks.map(block => arrays.get(block.id));
      card.rank = header.wide ? new Uint32Array(rank.buffer) : new Uint16Array(rank.buffer);
      card.fills = fills;
    }
  },
  paint(state, card) {
    const {header, photo, at, asOrder, lut} = state, out = card.pixels, {rank, fills} = card, size = photo.length;
    if (!rank) { out.set(photo); return; }
    const shown = header.order === 'insertion', gone = Math.floor((shown ? 1 - at : at) * size + 1e-9);
    const frame = header.steady ? 0 : frameOf(header, at, shown) * 3 * size, last = header.order === 'morf' ? 255 : 0;
    for (let i = 0, j = frame; i < size; i++, j += 3) {
      const missing = rank[i] < gone;
      out[i] = missing ? packed(fills, j)
        : asOrder ? lut[Math.abs(last - Math.floor(256 * rank[i] / size))] : photo[i];
    }
  },
  sentence({header, at}) {
    if (header.order === 'insertion') return `${percentTenths(at)} of the pixels shown, most relevant first`;
    return `${percentTenths(at)} of the pixels removed, ${header.order === 'morf' ? 'most' : 'least'} relevant first`;
  },
  answer(header, card, k) {
    const broken = card.answers[k] !== header.first;
    return {text: `${header.classes[card.answers[k]]}${broken ? ' ✕' : ''}`, broken};
  },
  total({header, measure, range, end}, card) {
    const area = card.areas[range][measure.key];
    return area === null ? 'AUC undefined' : `AUC ${sized(area, end < 1 ? 4 : 3)} over ${percentTenths(end)}`;
  },
};

// Imputed pictures belong to one fraction each; take the one in which at least these pixels are filled in.
function frameOf(header, at, shown) {
  const passed = pointAt(header, at);
  return shown || Math.abs(header.points[passed] - at) < 1e-9 ? passed : Math.min(passed + 1, header.points.length - 1);
}
