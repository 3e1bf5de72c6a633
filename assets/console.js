// Comfort on every page: copying, selecting, a line that says what happened.

const toast = document.querySelector('.toast');
let hiding;

/** Says a line at the foot of the page for a while. */
function say(text) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { toast.hidden = true; }, 2500);
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say(`Copied ${button.dataset.copy}`);
  } catch {
    // Without https, and where the person refuses, the text is selected instead.
    window.prompt('Copy this:', button.dataset.copy);
  }
}

/** Shows how many links are ticked, and the actions for them. */
function count(form) {
  const ticks = [...form.querySelectorAll('input[name=id]')];
  const ticked = ticks.filter((tick) => tick.checked).length;
  const bulk = form.querySelector('[data-bulk]');
  const all = form.querySelector('[data-all]');
  if (!bulk || !all) return;
  bulk.classList.toggle('on', ticked > 0);
  bulk.querySelector('[data-count]').textContent = ticked ? `${ticked} selected` : 'Tick links to';
  all.checked = ticked > 0 && ticked === ticks.length;
  all.indeterminate = ticked > 0 && ticked < ticks.length;
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-copy]');
  if (button) copy(button);
});

document.addEventListener('change', (event) => {
  const form = event.target.closest('.selection');
  if (!form) return;
  if (event.target.matches('[data-all]')) {
    for (const tick of form.querySelectorAll('input[name=id]')) tick.checked = event.target.checked;
  }
  count(form);
});

/** What needs script is shown once there is script. */
function prepare(root) {
  document.documentElement.classList.add('scripted');
  for (const box of root.querySelectorAll('[data-all]')) box.hidden = false;
  for (const form of root.querySelectorAll('.selection')) count(form);
}

prepare(document);
document.addEventListener('htmx:afterSwap', () => prepare(document));
