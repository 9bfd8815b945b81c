// What draws charts is megabytes of script: on a page of charts it comes while the server still computes.

export default function ({data}) {
  const beside = document.querySelector('script[type="module"][src*="/static/js/"]');
  if (!beside || !data.pages.some((page) => location.pathname.endsWith(`/${page}`))) return;
  for (const file of data.files) import(new URL(file, beside.src).href).catch(() => {});  // it comes later then
}
