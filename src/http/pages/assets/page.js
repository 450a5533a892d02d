// What cannot be said in attributes: a morph keeps what the reader typed and opened, a sent form is emptied.
"use strict";

Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
  !(name === "open" && node instanceof HTMLDetailsElement) &&
  !(name === "value" && node instanceof HTMLInputElement && node.type === "text");

document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest("form[data-clear]");
  if (form && event.detail.successful) form.reset();
});
