// What cannot be said in attributes.
"use strict";

// A morph keeps what the reader typed and opened.
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
  !(name === "open" && node instanceof HTMLDetailsElement) &&
  !(name === "value" && node instanceof HTMLInputElement && node.type === "text");

// A sent form is emptied; a page of an earlier start of relance is loaded anew.
document.addEventListener("htmx:afterRequest", ({ target, detail }) => {
  if (detail.successful) target.closest("form[data-clear]")?.reset();
  if (detail.xhr?.status === 403) location.reload();
});

// The stream of changes says whether relance is there.
document.addEventListener("htmx:sseError", () => { document.getElementById("offline").hidden = false; });
document.addEventListener("htmx:sseOpen", () => { document.getElementById("offline").hidden = true; });
