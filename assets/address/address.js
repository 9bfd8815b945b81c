// One gesture makes at most one entry in the browser's history, so that one Back undoes one choice.

export default function () {
  if (history.onePerGesture) return;
  history.onePerGesture = true;
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  // Whether the reader has done something since the last entry, and whether that entry is of their last gesture.
  let gesture = false, fresh = false;
  for (const name of ['pointerdown', 'keydown']) addEventListener(name, () => { gesture = true; fresh = false; }, {capture: true, passive: true});
  addEventListener('popstate', () => { gesture = false; fresh = false; });
  history.pushState = (state, title, url) => {
    const to = new URL(url ?? location.href, location.href), elsewhere = to.pathname !== location.pathname;
    if (to.href === location.href) return;  // nothing to undo, and no gesture spent
    // What the page that a link leads to says first can come before its path: it stands at the page that is left.
    if (elsewhere ? !fresh : gesture) push(state, title, url);
    else replace(state, title, url);
    fresh = (gesture || fresh) && !elsewhere;
    gesture = false;
  };
}
