// One gesture makes at most one entry in the browser's history, so that one Back undoes one choice.

export default function () {
  if (history.onePerGesture) return;
  history.onePerGesture = true;
  const push = history.pushState.bind(history);
  let gesture = false;
  for (const name of ['pointerdown', 'keydown']) addEventListener(name, () => { gesture = true; }, {capture: true, passive: true});
  addEventListener('popstate', () => { gesture = false; });
  history.pushState = (state, title, url) => {
    const elsewhere = new URL(url ?? location.href, location.href).pathname !== location.pathname;
    if (new URL(url ?? location.href, location.href).href === location.href) return;  // nothing to undo, and no gesture spent
    if (elsewhere || gesture) push(state, title, url);
    else history.replaceState(state, title, url);
    gesture = false;
  };
}
