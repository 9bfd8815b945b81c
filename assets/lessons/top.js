// A step is read from its beginning: where the step before, or the list of lessons, was scrolled to is no place in it.

let former = null;

export default function ({data}) {
  const {place} = data;
  if (former !== null && former !== place) document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
  former = place;
}
