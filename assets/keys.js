// Shortcuts: none while a field has the focus, none with a modifier. The help page switches them off.

const rows = () => [...document.querySelectorAll('[data-row]')];
const current = () => document.querySelector('[data-row].current');

/** Moves the mark by one row. */
function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(current());
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  current()?.classList.remove('current');
  next.classList.add('current');
  next.querySelector('[data-open]').focus({ preventScroll: true });
  next.scrollIntoView({ block: 'nearest' });
}

/** What a key means for the marked row, or for the page if no row is marked. */
const within = (selector) => (current() ?? document.querySelector('main')).querySelector(selector);

const actions = {
  '/': () => document.querySelector('[data-search]')?.focus(),
  c: () => { location.href = '/console/links/new'; },
  j: () => move(1),
  k: () => move(-1),
  e: () => { const edit = current()?.dataset.edit ?? document.querySelector('[data-edit-page]')?.href; if (edit) location.href = edit; },
  q: () => { const qr = within('[data-qr]'); if (qr) location.href = qr.href; },
  y: () => within('[data-copy]')?.click(),
  x: () => current()?.querySelector('input[name=id]')?.click(),
  '?': () => { location.href = '/console/help'; },
};

document.addEventListener('keydown', (event) => {
  const field = event.target.closest('input, select, textarea, [contenteditable]');
  if (field && !field.matches('[type=checkbox]')) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
