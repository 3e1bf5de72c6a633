// Shows how much of a file was sent. Without this script the form is sent as any other.

document.addEventListener('submit', (event) => {
  const form = event.target.closest('[data-upload]');
  if (!form) return;
  event.preventDefault();
  const bar = form.querySelector('progress');
  const button = form.querySelector('button');
  const request = new XMLHttpRequest();
  bar.hidden = false;
  button.disabled = true;
  request.upload.addEventListener('progress', ({ loaded, total }) => { bar.value = (loaded * 100) / total; });
  // All of it is there: what remains is the database's work, of unknown length.
  request.upload.addEventListener('load', () => bar.removeAttribute('value'));
  request.addEventListener('loadend', () => {
    bar.hidden = true;
    button.disabled = false;
    const page = new DOMParser().parseFromString(request.responseText, 'text/html').querySelector('main');
    if (page) document.querySelector('main').replaceWith(page);
    document.querySelector('main').focus();
  });
  request.open('POST', form.action);
  request.send(new FormData(form));
});
