// What every page gains with JavaScript; each page is complete without it.

// Focus goes to what went wrong, so that a screen reader begins there.
document.querySelector("[data-focus]")?.focus();

// A second press of the same button would send the form twice. The server is idempotent; people are still spared the doubt.
for (const form of document.querySelectorAll("form[method=post]:not([data-outbox])")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
  });
}
// Coming back with the browser's own button revives the page as it was left.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// A list that filters itself when a choice changes still has its button for those without JavaScript.
for (const form of document.querySelectorAll("form[data-autosubmit]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
