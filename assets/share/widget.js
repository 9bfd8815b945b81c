// How a notebook mounts a view: bytes arrive as a trait, values go back as one.

function bytesOf(view) { return new Uint8Array(view.buffer, view.byteOffset, view.byteLength); }
export default {
  render({model, el}) {
    el.classList.add('pruneattr');
    const hidden = document.createElement('style');  // the frame that an exported notebook draws
    hidden.textContent = `[data-pruneattr-still="${model.get('still')}"] { display: none; }`;
    document.head.append(hidden);
    const root = el.attachShadow({mode: 'open'}), style = document.createElement('style');
    style.textContent = model.get('sheet');
    const page = document.createElement('template');
    page.innerHTML = model.get('page');
    root.append(style, page.content);
    const draw = () => mount({data: bytesOf(model.get('payload')), parentElement: root, alone: true,
      setStateValue(name, value) { model.set('chosen', {...model.get('chosen'), [name]: value}); model.save_changes(); }});
    model.on('change:payload', draw);
    draw();
  },
};
