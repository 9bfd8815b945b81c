// One gesture makes at most one entry in the browser's history, so that one Back undoes one choice.

(() => {
  if (history.onePerGesture) return;
  history.onePerGesture = true;
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  // Whether the reader has done something since the last entry; a page of charts can be pressed before this runs.
  let gesture = Boolean(navigator.userActivation?.isActive);
  const done = () => { gesture = true; }, how = {capture: true, passive: true};
  for (const name of ['pointerdown', 'keydown']) addEventListener(name, done, how);
  addEventListener('click', (event) => { if (!event.detail) done(); }, how);  // a screen reader's, a voice's
  addEventListener('popstate', () => { gesture = false; });
  const without = (url) => {
    const other = new URL(url);
    other.searchParams.delete('review');
    return other.href;
  };
  history.pushState = (state, title, url) => {
    const to = new URL(url ?? location.href, location.href);
    if (to.href === location.href) return;  // nothing to undo, and no gesture spent
    // The name that the page made up, under which the first verdict is kept, is none of the reader's choices.
    const here = new URL(location.href), made = to.searchParams.get('review') === history.madeUp;
    const named = made && !here.searchParams.has('review') && without(to) === without(here);
    // A link makes an entry once, be its path or what its page says first the one that comes first; and a page
    // that a late word of the run before bounces to and from makes none.
    (gesture && !named ? push : replace)(state, title, url);
    gesture = false;
  };
})();
