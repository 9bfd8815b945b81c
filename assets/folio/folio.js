// A page of the app in one file: texts, tables, pictures and charts in order; some behind a slider.

export default function ({data, parentElement: root}) {
  const {header, blocks} = openFrame(data), host = root.querySelector('.folio');
  host.setAttribute('aria-label', header.title);
  host.replaceChildren();
  drawParts(host, header.parts, blocks);
  explainWords(root);
  host.dataset.ready = 'true';
}

function drawParts(host, parts, blocks) {
  for (const part of parts) ({heading: drawHeading, text: drawText, table: drawTable, pictures: drawPictures, chart: buildChart, slides: drawSlides})[part.kind](host, part, blocks);
}

const drawHeading = (host, {text}) => host.append(element('h2', '', text));

// "**word**" and "*word*" stand out; everything else is text, without the strokes that keep it from being read as Markdown.
const unescaped = text => text.replace(/\\(?=[^\w\s])/g, '').replaceAll('\u2060', '');

function drawText(host, {text, soft}) {
  for (const block of text.split(/\n\s*\n|\n(?=- )| {2}\n/)) {
    const line = element('p', soft ? 'soft' : '');
    block.replace(/^- /, '• ').split(/(\*\*[^*]+\*\*|\*[^*\s][^*]*\*|`[^`]+`)/).forEach((piece, k) => {
      if (k % 2 === 0) line.append(unescaped(piece));
      else line.append(element(piece[0] === '`' ? 'code' : piece.startsWith('**') ? 'b' : 'i', '', unescaped(piece.replace(/^[*`]+|[*`]+$/g, ''))));
    });
    host.append(line);
  }
}

function drawTable(host, {columns, numeric, rows}) {
  const frame = element('div', 'wide'), table = element('table'), head = element('tr');
  columns.forEach((name, k) => { const cell = element('th', numeric[k] ? 'number' : '', name); cell.scope = 'col'; head.append(cell); });
  table.append(element('thead'), element('tbody'));
  table.tHead.append(head);
  for (const row of rows) {
    const line = element('tr');
    row.forEach((text, k) => line.append(element('td', numeric[k] ? 'number' : text.length > 44 ? 'long' : '', text)));
    table.tBodies[0].append(line);
  }
  frame.tabIndex = 0;                                      // scrolls by keyboard where it is too wide
  frame.append(table);
  host.append(frame);
}

function drawPictures(host, {pictures}, blocks) {
  const row = element('div', 'pictures');
  for (const {alt, caption, start, length} of pictures) {
    const figure = element('figure'), image = element('img');
    image.alt = alt;
    image.src = URL.createObjectURL(new Blob([blocks.subarray(start, start + length)], {type: 'image/png'}));
    figure.append(image);
    if (caption) { const line = element('figcaption'); drawText(line, {text: caption}); figure.append(line); }
    row.append(figure);
  }
  host.append(row);
}

function drawSlides(host, {label, at, slides}, blocks) {
  const box = element('div', 'slides'), line = element('label', '', label), slider = element('input'), said = element('output');
  Object.assign(slider, {type: 'range', min: 0, max: slides.length - 1, step: 1, value: at});
  slider.setAttribute('aria-label', label);
  line.append(slider, said);
  box.append(line);
  const shown = slides.map(slide => { const one = element('div', 'slide'); drawParts(one, slide.parts, blocks); box.append(one); return one; });
  slider.oninput = () => {
    shown.forEach((one, k) => { one.hidden = k !== +slider.value; });
    said.textContent = slides[slider.value].title;
    slider.setAttribute('aria-valuetext', said.textContent);
  };
  slider.oninput();
  host.append(box);
}
