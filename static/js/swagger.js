/* Starts Swagger UI on /docs/. Nothing that is typed there is kept: a key ends with the page. */
const place = document.getElementById("swagger");
window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  presets: [window.SwaggerUIBundle.presets.apis],
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: -1,
  filter: true,
  persistAuthorization: false,
  validatorUrl: null,
  syntaxHighlight: { activated: false },
});

/* What its markup leaves out for keyboards and screen readers: names of choices, code that scrolls, links in buttons. */
const NAMES = [["#servers", "Server"], [".content-type", "Media type"], [".examples-select-element", "Example"], ["select", "Choice"]];
function complete() {
  for (const choice of place.querySelectorAll("select:not([aria-label])")) {
    choice.setAttribute("aria-label", NAMES.find(([of]) => choice.matches(of))[1]);
  }
  for (const code of place.querySelectorAll("pre:not([tabindex])")) code.tabIndex = 0;
  for (const link of place.querySelectorAll("button a[href]")) link.removeAttribute("href");
}
new MutationObserver(complete).observe(place, { childList: true, subtree: true });
